//! `on_disconnect = finish`: a route whose work goes on when its caller has gone.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::context;

/// Work that goes on, whether its caller waits or not.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Requests whose work goes on whatever their callers do.
#[cfg(feature = "service")]
pub(crate) fn finishing() -> usize {
    RUNNING.load(Ordering::Acquire)
}

/// A layer for routes whose work goes on when the caller has gone: a payment that was begun, say. Everywhere else the service
/// drops the work of a caller who is gone.
///
/// The request's deadline still ends it, and a shutdown waits for it. It costs one task for each request.
///
/// ```no_run
/// # use axum::{Router, routing::post};
/// # async fn pay() {}
/// use hardening_runtime::layer::Finish;
///
/// let routes: Router = Router::new().route("/payments", post(pay).layer(Finish::on_disconnect()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Finish(());

impl Finish {
    /// Work goes on when the connection is gone.
    pub const fn on_disconnect() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for Finish {
    type Service = Finishing<S>;

    fn layer(&self, inner: S) -> Finishing<S> {
        Finishing { inner }
    }
}

/// A service whose work goes on.
#[derive(Clone, Debug)]
pub struct Finishing<S> {
    inner: S,
}

struct Running;

impl Running {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S, R> Service<R> for Finishing<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (within, deadline) = (context::current(), context::deadline());
        let work = self.inner.call(request);
        let running = Running::new();
        Box::pin(async move {
            let work = async move {
                let _running = running;
                let work = async {
                    match deadline {
                        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
                        None => Some(work.await),
                    }
                };
                match within {
                    Some(request) => context::scope(request, deadline, work).await,
                    None => work.await,
                }
            };
            match tokio::spawn(work).await {
                Ok(Some(answer)) => answer,
                // The deadline is what surrounds this as well, and ends it with its own answer.
                Ok(None) => std::future::pending().await,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is going away, and with it whoever waits here.
                    Err(_) => std::future::pending().await,
                },
            }
        })
    }
}
