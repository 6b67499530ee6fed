//! Routes of the program at the paths of probes.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hardening::hardened_service;
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client;
use serde_json::Value;

/// A link shortener with pages.
#[hardened_service(name = "links")]
async fn links() -> Router {
    Router::new()
        .route("/{slug}", get(async |Path(slug): Path<String>| slug))
        .route("/health", get(async || "mine"))
        .route("/health/{*page}", get(async |Path(page): Path<String>| page))
}

const CHILD: &str = "probes::the_start_says_which_routes_do_not_get_their_requests";
/// What the start says of probes: the level and the text of each line.
fn said(log: &[Value]) -> Vec<(&str, &str)> {
    let lines = log.iter().filter_map(|line| Some((line["level"].as_str()?, line["message"].as_str()?)));
    lines.filter(|(_, message)| message.contains("where the service")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_says_which_routes_do_not_get_their_requests() {
    tokio::task::block_in_place(|| main_of(CHILD, links));
    let child = Child::start(CHILD, &[]).await;
    for (path, body) in [("/offer", "offer"), ("/health", "mine"), ("/livez", r#"{"status":"live"}"#)] {
        assert_eq!(client::get(child.addr, path).await.body, body, "{path}");
    }
    child.terminate().await;
    let end = child.ended().await;
    let lines = said(&end.log);
    let [own, slugs, pages] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(own.0 == "WARN" && own.1.contains("`/health` is a route of the program"), "{own:?}");
    let not_asked = |line: &(&str, &str), by, paths| {
        line.1.contains(&format!("`{by}` of the program is not asked for {paths}, where"))
    };
    assert!(pages.0 == "INFO" && not_asked(pages, "/health/{*page}", "`/health/ready`"), "{pages:?}");
    let all = "`/livez`, `/live`, `/healthz`, `/readyz`, `/ready`, `/startupz`";
    assert!(
        slugs.0 == "WARN" && not_asked(slugs, "/{slug}", all) && slugs.1.contains("`health.paths`"),
        "{slugs:?}"
    );
}

const CHOSEN: &str = "probes::settings_say_where_probes_are_answered";
const TWO: &str = "[health]\npaths = ['/livez', '/readyz']\n";

#[tokio::test(flavor = "multi_thread")]
async fn settings_say_where_probes_are_answered() {
    tokio::task::block_in_place(|| main_of(CHOSEN, || links().with_settings(TWO)));
    let child = Child::start(CHOSEN, &[]).await;
    let live = r#"{"status":"live"}"#;
    for (path, body) in [("/live", "live"), ("/health/ready", "ready"), ("/livez", live)] {
        assert_eq!(client::get(child.addr, path).await.body, body, "{path}");
        assert!(client::get(child.admin_addr, path).await.body.starts_with(r#"{"status""#), "{path}");
    }
    child.terminate().await;
    let end = child.ended().await;
    assert_eq!(said(&end.log), [], "{}", end.said);
    let wrong = links().with_settings("[health]\npaths = ['/livez', '/redyz']").start().await;
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("`/redyz` is no path of a probe") && wrong.contains("mean `/readyz`?"), "{wrong}");
}
