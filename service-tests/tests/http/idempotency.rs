//! Requests that are sent again by somebody else, and keys as clients write them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hardening::{Rejected, idempotent};

use super::support::start;
use hardening_service_tests::client::{Client, Http2, Reply, ask, request};
use hardening_service_tests::service::{problem, scrape, until, value};

/// The keys under which the body ran, once for each run.
static SIGNED_IN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn ran_under(key: &str) -> usize {
    SIGNED_IN.lock().expect("whole").iter().filter(|ran| ran.contains(key)).count()
}

/// A service with sessions of its own: nobody but it knows what its cookie means.
#[idempotent]
pub(crate) async fn sign_in(headers: HeaderMap, body: String) -> Result<Response, Rejected> {
    let number = {
        let mut ran = SIGNED_IN.lock().expect("whole");
        ran.push(format!("{:?}", headers.get("idempotency-key")));
        ran.len()
    };
    if body == "slow" {
        tokio::time::sleep(Duration::from_millis(800)).await;
    }
    Ok((StatusCode::CREATED, [("set-cookie", format!("sid={number}"))], format!("session {number}"))
        .into_response())
}

static ORDERED: AtomicU32 = AtomicU32::new(0);

/// A service that knows its users by a field of its own.
#[idempotent(owner = user_of(&headers))]
pub(crate) async fn order(headers: HeaderMap) -> Result<Response, Rejected> {
    let number = ORDERED.fetch_add(1, Ordering::SeqCst) + 1;
    let user = user_of(&headers);
    Ok((StatusCode::CREATED, format!("order {number} of {user}")).into_response())
}

fn user_of(headers: &HeaderMap) -> String {
    headers.get("x-user").and_then(|user| user.to_str().ok()).unwrap_or_default().to_owned()
}

async fn post(addr: SocketAddr, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
    ask(addr, request("POST", path, fields, body)).await
}

async fn sent(addr: SocketAddr, key: &str, credentials: &[(&str, &str)], body: &str) -> Reply {
    let fields: Vec<_> = [("idempotency-key", key)].into_iter().chain(credentials.iter().copied()).collect();
    post(addr, "/sessions", &fields, body).await
}

/// What a client is told whose key somebody else has used.
fn foreign(reply: &Reply) {
    let told = problem(reply, 422);
    assert_eq!(told["type"], "urn:hardening:problem:idempotency-mismatch");
    assert!(told.get("detail").is_none(), "{told}");
    for field in ["set-cookie", "idempotent-replayed", "retry-after"] {
        assert_eq!(reply.header(field), None, "{field}");
    }
    assert!(!reply.body.contains("session"), "{}", reply.body);
}

#[tokio::test]
async fn the_answer_of_one_user_is_never_another_s() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let addr = running.addr;
    let (ann, bob) = ([("cookie", "lang=en; sid=ann")], [("cookie", "lang=en; sid=bob")]);
    let bearer = [("authorization", "Bearer bob")];
    let api_key = [("x-api-key", "bob")];
    let first = sent(addr, "\"u-1\"", &ann, "").await;
    assert_eq!((first.status, first.header("set-cookie").is_some()), (201, true));
    for other in [&bob[..], &bearer, &api_key, &[], &[ann[0], bearer[0]]] {
        foreign(&sent(addr, "\"u-1\"", other, "").await);
        // Whatever is asked under it.
        foreign(&sent(addr, "\"u-1\"", other, "another").await);
    }
    let again = sent(addr, "\"u-1\"", &ann, "").await;
    assert_eq!((again.status, &again.body, again.header("set-cookie")), (201, &first.body, None));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(ran_under("u-1"), 1, "nobody ran it again");
    let told = problem(&sent(addr, "\"u-1\"", &ann, "another").await, 422);
    assert!(told["detail"].is_string(), "of a key of their own they are told: {told}");
    // Who shows nothing is nobody else.
    let first = sent(addr, "\"u-2\"", &[], "").await;
    assert_eq!(sent(addr, "\"u-2\"", &[], "").await.body, first.body);
    foreign(&sent(addr, "\"u-2\"", &ann, "").await);
}

#[tokio::test]
async fn other_credentials_learn_nothing_of_a_request_that_runs_and_http2_may_split_cookies() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let addr = running.addr;
    let slow = tokio::spawn(async move { sent(addr, "\"w-1\"", &[("cookie", "a=1; b=2")], "slow").await });
    let under_way = || async { value(&scrape(&running).await, "http_requests_in_flight") == Some(1.0) };
    until("it is under way", under_way).await;
    foreign(&sent(addr, "\"w-1\"", &[("cookie", "a=2")], "slow").await);
    problem(&sent(addr, "\"w-1\"", &[("cookie", "a=1; b=2")], "slow").await, 409);
    let first = slow.await.expect("an answer");
    let fields = [("idempotency-key", "\"w-1\""), ("cookie", "a=1"), ("cookie", "b=2")];
    let again = Http2::connect(addr).await.ask("POST", "/sessions", &fields, "slow").await;
    assert_eq!((again.status, again.header("set-cookie")), (201, None), "{again:#?}");
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn what_is_given_again_is_for_its_client_alone() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let fields = |key| [("idempotency-key", key), ("x-user", "ann"), ("cookie", "sid=1")];
    for (path, key) in [("/orders-of", "\"p-1\""), ("/sessions", "\"p-2\"")] {
        // The owner is known without the cookie, and a session begins without one.
        let fields = fields(key);
        let first =
            post(running.addr, path, if path == "/sessions" { &fields[..2] } else { &fields }, "").await;
        assert_eq!((first.status, first.header("cache-control")), (201, Some("private")), "{path}");
        let again = post(running.addr, path, &fields[..2], "").await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")), "{path}");
        assert_eq!(again.header("cache-control"), Some("private"), "{path}");
    }
}

#[tokio::test]
async fn an_owner_of_the_service_s_own_tells_its_users_apart() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let ordered = async |user: &str, cookie: &str| {
        let fields = [("idempotency-key", "\"o-1\""), ("x-user", user), ("cookie", cookie)];
        let reply = post(running.addr, "/orders-of", &fields, "").await;
        assert_eq!(reply.status, 201, "{reply:#?}");
        reply.body
    };
    let (ann, bob) = (ordered("ann", "sid=1").await, ordered("bob", "sid=2").await);
    assert!(ann.ends_with("of ann") && bob.ends_with("of bob"), "each has a key of their own");
    // Sessions end, users stay.
    assert_eq!((ordered("ann", "sid=3").await, ordered("bob", "").await), (ann, bob));
}

#[tokio::test]
async fn a_key_is_read_as_its_draft_says() {
    for (settings, bare) in [("", true), ("bare_idempotency_keys = false", false)] {
        let running = start(&format!("[http]\nrate_limit = 'none'\n{settings}")).await;
        let (addr, key) = (running.addr, format!("k-{bare}"));
        let first = sent(addr, &format!("\"{key}\""), &[], "").await;
        for same in [format!("\"{key}\";a=1"), format!("\"{key}\"; b; c=\"d;\"")] {
            assert_eq!(sent(addr, &same, &[], "").await.body, first.body, "{same}");
        }
        for field in [key.clone(), format!("{key};a=1")] {
            let reply = sent(addr, &field, &[], "").await;
            assert_eq!(reply.status, if bare { 201 } else { 400 }, "{field}");
            assert!(!bare || reply.body == first.body, "{field}: the same key");
        }
        let first_run = ran_under(&key);
        for wrong in
            ["", "\"\"", "\"a", "\"a\\\"", "\"a\tb\"", "\"\u{e9}\"", "\"a\"b", "\"a\", \"b\"", "a b", ";a=1"]
        {
            let told = problem(&sent(addr, wrong, &[], "").await, 400);
            assert_eq!(told["type"], "urn:hardening:problem:idempotency-key-missing", "{wrong}");
        }
        let two = [("idempotency-key", "\"twice\""), ("idempotency-key", "\"twice\"")];
        problem(&post(addr, "/sessions", &two, "").await, 400);
        assert_eq!((first_run, ran_under("twice"), ran_under("None")), (1, 0, 0));
    }
}

static RESERVED: AtomicU32 = AtomicU32::new(0);

#[idempotent]
pub(crate) async fn reserve() -> Result<Response, Rejected> {
    RESERVED.fetch_add(1, Ordering::SeqCst);
    Ok(StatusCode::CREATED.into_response())
}

#[tokio::test]
async fn one_client_with_a_hundred_thousand_keys_leaves_others_theirs() {
    let settings = "[http]\nrate_limit = 'none'\ntrusted_proxies = ['127.0.0.0/8']\n[log]\naccess = false";
    let running = start(settings).await;
    let mut attacker = Client::connect(running.addr).await;
    let mut taken = 0;
    // In rounds, so that the client does not wait for each answer.
    for round in 0..100 {
        let mut requests = String::new();
        for n in 0..1_000_u32 {
            let (key, from) =
                (format!("\"{round}-{n}\""), format!("2001:db8:7:{:x}::{n:x}", (round * 1_000 + n) % 65_536));
            let fields = [("idempotency-key", key.as_str()), ("x-forwarded-for", &from), ("cookie", &key)];
            requests += &request("POST", "/reserved", &fields, "");
        }
        attacker.send(requests).await;
        for _ in 0..1_000 {
            let reply = attacker.reply().await;
            assert!(matches!(reply.status, 201 | 503), "{reply:#?}");
            taken += u32::from(reply.status == 201);
        }
    }
    assert!((20_000..=25_001).contains(&taken), "{taken}: a quarter of `max_keys` for one /48");
    assert_eq!(RESERVED.load(Ordering::SeqCst), taken);
    for n in 0..100 {
        let from = format!("192.0.2.{n}");
        let key = format!("\"mine-{n}\"");
        let fields = [("idempotency-key", key.as_str()), ("x-forwarded-for", from.as_str())];
        assert_eq!(post(running.addr, "/reserved", &fields, "").await.status, 201, "{n}");
        let again = post(running.addr, "/reserved", &fields, "").await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    }
}
