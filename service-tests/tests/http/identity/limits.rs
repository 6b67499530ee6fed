//! Limits of principals and tenants, wherever they call from.

use super::gate::{ask, entry, install, start};
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::service::{problem, scrape, value};

const KEYS: [&str; 3] =
    ["a-1c9a3e5b7d9f1a2b3c4d5e6f", "b-1c9a3e5b7d9f1a2b3c4d5e6f", "c-1c9a3e5b7d9f1a2b3c4d5e6f"];

/// Two keys of one tenant and one of another.
fn callers() -> String {
    [
        entry("a", KEYS[0], "tenant = 'north'"),
        entry("b", KEYS[1], "tenant = 'north'"),
        entry("c", KEYS[2], "tenant = 'south'"),
    ]
    .concat()
}

#[tokio::test]
async fn attributes_know_principal_and_tenant() {
    let files = Authority::new();
    let running = start(&install(&files, &callers())).await;
    let ask = async |path: &str, key: usize| ask(&running, path, &[("x-api-key", KEYS[key])]).await.status;
    for (path, key, status) in [
        ("/turns", 0, 200),
        ("/turns", 0, 200),
        ("/turns", 0, 429),
        ("/turns", 1, 200),
        ("/tenants", 0, 200),
        ("/tenants", 1, 200),
        ("/tenants", 0, 429),
        ("/tenants", 1, 429),
        ("/tenants", 2, 200),
    ] {
        assert_eq!(ask(path, key).await, status, "{path} {key}");
    }
}

#[tokio::test]
async fn settings_limit_each_principal_and_each_tenant() {
    let files = Authority::new();
    let limits = "[http]\nprincipal_rate_limit = '3/h'\ntenant_rate_limit = '4/h'\n";
    let running = start(&format!("{limits}{}", install(&files, &callers()))).await;
    let call = async |key: usize| ask(&running, "/me", &[("x-api-key", KEYS[key])]).await;
    let first = call(0).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"client\";q=100;w=60, \"principal\";q=3;w=3600, \"tenant\";q=4;w=3600")
    );
    assert!(first.header("ratelimit").is_some_and(|state| state.contains("\"principal\";r=2;")), "{first:?}");
    for (key, status) in [(0, 200), (0, 200), (0, 429), (1, 200), (1, 429), (0, 429), (2, 200)] {
        let reply = call(key).await;
        assert_eq!(reply.status, status, "{key}");
        if status == 429 {
            let told = problem(&reply, 429);
            let names = if key == 0 { ["principal"] } else { ["tenant"] };
            assert_eq!(told["violated-policies"], serde_json::json!(names), "{key}");
            crate::clients::assert_one_wait(&reply);
            assert_eq!(reply.header("x-ratelimit-remaining"), Some("0"));
        }
    }
    assert_eq!(ask(&running, "/me", &[]).await.status, 200, "nobody has no limit but that of the client");
    let metrics = scrape(&running).await;
    for (limit, refused) in [("principal", 2.0), ("tenant", 1.0), ("client", 0.0)] {
        let series = format!("http_{limit}_rate_limit_decisions_total{{decision=\"refused\"}}");
        assert_eq!(value(&metrics, &series), Some(refused), "{series}");
    }
}
