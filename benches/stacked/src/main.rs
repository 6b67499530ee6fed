//! The route of `benches/throughput` under the layers that people stack on axum: a trace, metrics, a request id, a limit for each
//! client, a timeout, a limit of bodies, CORS, four fields of security, and an answer to panics.
//!
//! `stacked layers ADDRESS` adds them to the router one by one, `stacked builder ADDRESS` as one `ServiceBuilder`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::routing::get;
use axum_prometheus::PrometheusMetricLayer;
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// As large as the service's own default.
const BODY: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

fn secure(at: usize) -> SetResponseHeaderLayer<HeaderValue> {
    let (name, value) = SECURITY[at].clone();
    SetResponseHeaderLayer::if_not_present(name, value)
}

fn routes() -> Router {
    let words = |sku: &str| format!("{sku} costs 12 crowns, and there are 7 of it");
    Router::new().route("/price/{sku}", get(move |Path(sku): Path<String>| async move { words(&sku) }))
}

/// Far more than is asked here.
macro_rules! governed {
    () => {{
        let limits = GovernorConfigBuilder::default()
            .per_nanosecond(10)
            .burst_size(100_000_000)
            .use_headers()
            .finish();
        GovernorLayer::new(Arc::new(limits.expect("a limit has a period and a burst")))
    }};
}

macro_rules! traced {
    () => {
        TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
            .on_response(DefaultOnResponse::new().level(Level::INFO))
    };
}

/// The innermost first, as `Router::layer` takes them.
fn one_by_one() -> Router {
    routes()
        .layer(RequestBodyLimitLayer::new(BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(governed!())
        .layer(secure(0))
        .layer(secure(1))
        .layer(secure(2))
        .layer(secure(3))
        .layer(CorsLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(PrometheusMetricLayer::pair().0)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(traced!())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// The outermost first, and one layer for axum.
fn as_one() -> Router {
    routes().layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(traced!())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(PrometheusMetricLayer::pair().0)
            .layer(CatchPanicLayer::new())
            .layer(CorsLayer::new())
            .layer(secure(3))
            .layer(secure(2))
            .layer(secure(1))
            .layer(secure(0))
            .layer(governed!())
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
            // The layers above it take a body of axum's alone.
            .layer(MapResponseBodyLayer::new(Body::new))
            .layer(RequestBodyLimitLayer::new(BODY)),
    )
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, how, address] = &arguments[..] else {
        eprintln!("stacked layers|builder ADDRESS");
        return ExitCode::FAILURE;
    };
    tracing_subscriber::fmt().json().with_env_filter(EnvFilter::from_default_env()).init();
    let serve = async {
        // The layer of metrics spawns a task.
        let routes = if how == "builder" { as_one() } else { one_by_one() };
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, routes).await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
