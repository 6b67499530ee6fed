//! API keys.

use serde_json::json;

use super::gate::{ask, count, entry, install, refused, start, total};
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::{Http2, get, request};
use hardening_service_tests::service::{problem, ready, until};

const TILL: &str = "till-1c9a3e5b7d9f1a2b3c4d5e6f";
const SHELF: &str = "shelf-0a1b2c3d4e5f6a7b8c9d0e1f";
const OLD: &str = "old-00112233445566778899aabb";

fn callers() -> String {
    [
        entry("till", TILL, "scopes = ['orders:read', 'orders:write']\ntenant = 'north'"),
        entry("shelf", SHELF, "scopes = ['stock:read']"),
        entry("old", OLD, "expires = 2020-01-01T00:00:00Z"),
    ]
    .concat()
}

#[tokio::test]
async fn a_key_is_who_the_file_says_and_may_what_the_file_says() {
    let files = Authority::new();
    let running = start(&install(&files, &callers())).await;
    let schemed = format!("ApiKey {TILL}");
    for field in [("x-api-key", TILL), ("authorization", schemed.as_str())] {
        let told = ask(&running, "/me", &[field]).await.json();
        assert_eq!(told, json!({"id": "till", "scopes": ["orders:read", "orders:write"], "tenant": "north"}));
        assert_eq!(ask(&running, "/orders", &[field]).await.status, 200);
    }
    let http2 = Http2::connect(running.addr).await;
    assert_eq!(http2.ask("GET", "/orders", &[("x-api-key", TILL)], "").await.status, 200);
    let reply = ask(&running, "/orders", &[("x-api-key", SHELF)]).await;
    problem(&reply, 403);
    assert_eq!(reply.header("www-authenticate"), Some("ApiKey error=\"insufficient_scope\""));
    let nobody = ask(&running, "/me", &[]).await.json();
    assert_eq!(nobody, json!({"id": null, "scopes": null, "tenant": null}));
    let reply = ask(&running, "/orders", &[]).await;
    problem(&reply, 401);
    assert_eq!(reply.header("www-authenticate"), Some("ApiKey"));
    assert_eq!(count(&running, "api_key", "accepted").await, 6);
}

#[tokio::test]
async fn a_wrong_credential_is_401_everywhere_and_all_are_told_the_same() {
    let files = Authority::new();
    let running = start(&format!("{}\n[http]\nrate_limit = 'none'", install(&files, &callers()))).await;
    let digest = &callers()[callers().find("sha256 = \"").unwrap() + 10..][..64].to_owned();
    let long = "k".repeat(9000);
    let mut told = Vec::new();
    for fields in [
        &[("x-api-key", "wrong-1c9a3e5b7d9f1a2b3c4d5e6f")][..],
        &[("x-api-key", OLD)],
        &[("x-api-key", "")],
        &[("x-api-key", &TILL[1..])],
        &[("x-api-key", digest)],
        &[("x-api-key", &long)],
        &[("x-api-key", TILL), ("x-api-key", SHELF)],
        &[("x-api-key", TILL), ("authorization", "Bearer x")],
        &[("authorization", "Basic dGlsbDp0aWxs")],
        &[("authorization", "Bearer a.b.c")],
        &[("authorization", TILL)],
        &[("authorization", "ApiKey")],
        &[("authorization", "x"); 50],
    ] {
        for path in ["/me", "/orders", "/missing"] {
            let reply = ask(&running, path, fields).await;
            let mut members = problem(&reply, 401);
            assert_eq!(reply.header("www-authenticate"), Some("ApiKey"), "{fields:?}");
            members["request_id"] = json!(null);
            told.push(members);
        }
    }
    assert!(told.iter().all(|members| *members == told[0]), "{told:#?}");
    assert_eq!(count(&running, "api_key", "expired").await, 3);
    assert_eq!(count(&running, "api_key", "unknown").await, 9);
    assert_eq!(count(&running, "other", "malformed").await, 27);
    // Probes and metrics ask nobody.
    for (address, path) in [(running.addr, "/livez"), (running.admin_addr, "/metrics")] {
        let text = request("GET", path, &[("x-api-key", "wrong")], "");
        assert_eq!(hardening_service_tests::client::ask(address, text).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn keys_are_exchanged_while_the_service_runs() {
    let files = Authority::new();
    let running = start(&install(&files, &entry("till", TILL, ""))).await;
    let reloads = async |result: &str| {
        total(&running, &format!("auth_keys_reloads_total{{result=\"{result}\"}}")).await
    };
    let status = async |key: &str| ask(&running, "/me", &[("x-api-key", key)]).await.status;
    assert_eq!((status(TILL).await, status(SHELF).await), (200, 401));
    // Both keys of one caller count, until the old one is taken out.
    install(&files, &[entry("till", TILL, ""), entry("till", SHELF, "")].concat());
    until("both", async || reloads("applied").await == 1).await;
    assert_eq!((status(TILL).await, status(SHELF).await), (200, 200));
    install(&files, &entry("till", SHELF, ""));
    until("the new one alone", async || reloads("applied").await == 2).await;
    assert_eq!((status(TILL).await, status(SHELF).await), (401, 200));
    // What does not fit changes nothing.
    install(&files, "[[key]]\nid = 'till'\nsha256 = 'till'\n");
    until("it is refused", async || reloads("refused").await == 1).await;
    assert_eq!((status(TILL).await, status(SHELF).await), (401, 200));
}

#[tokio::test]
async fn who_guesses_has_few_guesses() {
    let files = Authority::new();
    let settings = format!("{}\n[http]\nrate_limit = '60/h'", install(&files, &callers()));
    let running = start(&settings).await;
    let mut statuses = Vec::new();
    for guess in 0..8 {
        let key = format!("guess-{guess}-1c9a3e5b7d9f1a2b3c4d5e6f");
        statuses.push(ask(&running, "/me", &[("x-api-key", &key)]).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(ask(&running, "/me", &[("x-api-key", TILL)]).await.status, 429, "the same address");
    assert_eq!(get(running.addr, "/livez").await.status, 200);
}

#[tokio::test]
async fn who_guesses_is_charged_whatever_client_it_claims_to_be() {
    let files = Authority::new();
    let running = start(&install(&files, &callers())).await;
    ready(&running).await;
    let mut wrong = 0;
    for guess in 0..400 {
        let (key, claimed) =
            (format!("guess-{guess}-1c9a3e5b7d9f1a2b3c4d5e6f"), format!("203.0.113.{}", guess % 256));
        let reply = ask(&running, "/me", &[("x-api-key", &key), ("x-forwarded-for", &claimed)]).await;
        match reply.status {
            401 => wrong += 1,
            status => assert_eq!(status, 429, "guess {guess}"),
        }
    }
    assert!((10..12).contains(&wrong), "{wrong}");
    // Whoever shows no credential is no guesser.
    assert_eq!(ask(&running, "/docs/a", &[("x-forwarded-for", "203.0.113.1")]).await.status, 200);
}

#[tokio::test]
async fn where_a_credential_is_required_only_public_routes_are_open() {
    let files = Authority::new();
    let settings = install(&files, &callers()) + "required = true\npublic = ['/docs/*', '/items/{id}']\n";
    let running = start(&settings).await;
    ready(&running).await;
    for (path, status) in [
        ("/me", 401),
        ("/missing", 401),
        ("/docs", 401),
        ("/docs/", 401),
        ("/docs/a/b", 200),
        ("/items/7", 200),
        ("/items/7/more", 401),
        ("/docs/../me", 200),
        ("/%6de", 401),
        ("//me", 401),
        ("/me?/docs/a", 401),
    ] {
        let reply = ask(&running, path, &[]).await;
        assert_eq!(reply.status, status, "{path}");
        // What looks like a way around leads to the public route itself.
        assert!(status == 401 || ["docs", "item"].contains(&reply.body.as_str()), "{path}: {reply:?}");
    }
    for (path, status) in [("/me", 200), ("/missing", 404), ("/docs/a", 200)] {
        assert_eq!(ask(&running, path, &[("x-api-key", TILL)]).await.status, status, "{path}");
    }
    problem(&ask(&running, "/docs/a", &[("x-api-key", "wrong")]).await, 401);
    assert!(count(&running, "none", "missing").await >= 6);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_at_the_start() {
    let files = Authority::new();
    let missing = files.directory.join("missing.toml");
    for (settings, part) in [
        (format!("[auth]\napi_keys = {missing:?}"), "missing.toml"),
        (install(&files, "[[key]]\nid = 'a'\n\nsha256 = 'hunter2'\n"), "callers.toml:4: [[key]] sha256"),
        ("[auth]\nrequired = true".to_owned(), "nobody can be known"),
        ("[auth]\npublic = ['docs']".to_owned(), "`docs` is no route"),
        ("[auth]\nissuer = 'https://id.example'".to_owned(), "audience"),
        ("[auth]\nalgorithms = ['HS256']".to_owned(), "`HS256` is refused"),
        ("[auth]\nalgorithms = ['none']".to_owned(), "`none` is refused"),
        ("[auth]\nalgorithms = ['RS265']".to_owned(), "did you mean `RS256`?"),
        ("[auth]\nleeway = '1h'".to_owned(), "at most `5m`"),
    ] {
        let problems = refused(&settings).await;
        assert!(problems.iter().any(|problem| problem.contains(part)), "{settings}: {problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}
