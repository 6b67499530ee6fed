//! The rate limit of each client, and who counts as one.

use std::net::SocketAddr;

use serde_json::json;
use tokio::time::{Duration, sleep};

use super::support::start;
use hardening_service_tests::client::{Client, Http2, Reply, ask, get, get_with, request};
use hardening_service_tests::service::{problem, scrape, value};

const BEHIND_A_PROXY: &str = "[http]\nrate_limit = '2/min'\ntrusted_proxies = ['127.0.0.0/8']";

/// Whatever of an answer says when to come again says the same.
#[track_caller]
pub(super) fn assert_one_wait(reply: &Reply) {
    let wait = reply.header("retry-after").expect("a wait");
    let state = reply.header("ratelimit").expect("a state");
    let refused = state.split(", ").find(|limit| limit.contains(";r=0;")).expect("a limit that is used up");
    assert_eq!(refused.split(";t=").nth(1), Some(wait), "{reply:#?}");
    assert_eq!(reply.header("x-ratelimit-reset"), Some(wait), "{reply:#?}");
    let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(!detail.contains(" s.") || detail.contains(&format!(" {wait} s.")), "{detail}");
}

#[tokio::test]
async fn a_crowd_that_is_refused_together_is_told_one_time_each() {
    let running = start("[http]\nrate_limit = '1/h'\ntrusted_proxies = ['127.0.0.0/8']").await;
    // More than may be told the same second.
    for client in 0..200 {
        let client = format!("192.0.2.{client}");
        assert_eq!(from(running.addr, "/hello", &client).await.status, 200);
        assert_one_wait(&from(running.addr, "/hello", &client).await);
    }
}

#[tokio::test]
async fn the_limit_of_an_operation_is_told_and_not_the_client_s() {
    let running = start("[http]\nrate_limit = '1000000/s'").await;
    for _ in 0..2 {
        let reply = get(running.addr, "/few").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("ratelimit-policy"), Some("\"client\";q=1000000;w=1"));
    }
    for at in 0..100 {
        let reply = get(running.addr, "/few").await;
        let told = problem(&reply, 429);
        assert_eq!(told["violated-policies"], json!(["operation"]), "{at}");
        assert_eq!(reply.header("ratelimit-policy"), Some("\"operation\";q=2"), "{at}");
        assert!(reply.header("ratelimit").unwrap().starts_with("\"operation\";r=0;t="), "{reply:#?}");
        assert_eq!(reply.header("x-ratelimit-limit"), Some("2"));
        assert_eq!(reply.header("x-ratelimit-remaining"), Some("0"));
        assert_one_wait(&reply);
    }
    // A handler that refuses by itself knows why: nothing of ours contradicts it.
    let reply = get(running.addr, "/fails/429").await;
    assert!(!reply.headers.iter().any(|(name, _)| name.contains("ratelimit")), "{reply:#?}");
    assert_eq!(reply.json().get("violated-policies"), None);
    let reply = get(running.addr, "/busy").await;
    assert_eq!((reply.status, reply.header("ratelimit")), (429, Some("\"mine\";r=0;t=7")));
    assert_eq!(reply.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn a_setting_chooses_the_fields_of_limits_and_a_refusal_has_all_of_them() {
    const STANDARD: [&str; 2] = ["ratelimit", "ratelimit-policy"];
    const LEGACY: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    let all = [&STANDARD[..], &LEGACY].concat();
    for (chosen, expected) in [("standard", &STANDARD[..]), ("legacy", &LEGACY), ("both", &all)] {
        let settings = format!("[http]\nrate_limit = '2/h'\nrate_limit_headers = '{chosen}'");
        let running = start(&settings).await;
        let told = |reply: &Reply| {
            let names = reply.headers.iter().map(|(name, _)| name.clone());
            names.filter(|name| name.contains("ratelimit")).collect::<Vec<_>>()
        };
        for path in ["/hello", "/missing"] {
            let reply = get(running.addr, path).await;
            assert_eq!(told(&reply), expected, "{chosen} {path}");
        }
        let refused = get(running.addr, "/hello").await;
        assert_eq!(
            (refused.status, told(&refused)),
            (429, all.iter().map(|name| (*name).to_owned()).collect())
        );
        assert_one_wait(&refused);
    }
}

async fn from(address: SocketAddr, path: &str, client: &str) -> Reply {
    get_with(address, path, &[("x-forwarded-for", client)]).await
}

#[tokio::test]
async fn beyond_the_limit_is_429_and_the_fields_say_where_the_client_stands() {
    // So slow that no unit comes back while a busy machine answers.
    let running = start("[http]\nrate_limit = '3/h'\nrate_limit_burst = 3").await;
    for (path, left) in [("/hello", "2"), ("/missing", "1"), ("/panic", "0")] {
        let reply = get(running.addr, path).await;
        assert_eq!(reply.header("ratelimit-policy"), Some("\"client\";q=3;w=3600"), "{path}");
        assert!(
            reply.header("ratelimit").expect("a state").starts_with(&format!("\"client\";r={left};t=")),
            "{path}"
        );
        assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("x-ratelimit")), "{reply:#?}");
        assert_eq!(reply.header("retry-after"), None);
    }
    let reply = get(running.addr, "/hello").await;
    let told = problem(&reply, 429);
    assert_eq!(told["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    let due = reply.header("ratelimit").and_then(|state| state.strip_prefix("\"client\";r=0;t="));
    let due: u64 = due.expect("a state").parse().expect("seconds");
    assert!((1_100..=1_440).contains(&due), "{due}");
    assert_eq!(told["violated-policies"], json!(["client"]));
    assert_one_wait(&reply);
    assert_eq!(reply.header("ratelimit-policy"), Some("\"client\";q=3;w=3600"));
    assert_eq!(
        (reply.header("x-ratelimit-limit"), reply.header("x-ratelimit-remaining")),
        (Some("3"), Some("0"))
    );
    problem(&Http2::connect(running.addr).await.ask("GET", "/hello", &[], "").await, 429);
    let metrics = scrape(&running).await;
    let decided = |decision| {
        value(&metrics, &format!("http_client_rate_limit_decisions_total{{decision=\"{decision}\"}}"))
    };
    assert_eq!((decided("allowed"), decided("refused")), (Some(3.0), Some(2.0)));
}

#[tokio::test]
async fn what_is_refused_in_any_case_and_what_is_no_request_is_charged_too() {
    let long = "a".repeat(9_000);
    let large = ("x-large", &*"a".repeat(20_000));
    let two_hosts = "GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned();
    let with_user = "GET http://a@b/hello HTTP/1.1\r\nhost: b\r\n\r\n".to_owned();
    for (bad, status) in [
        (two_hosts, 400),
        (with_user, 400),
        (request("GET", &format!("/{long}"), &[], ""), 414),
        (request("GET", "/hello", &[large], ""), 431),
    ] {
        let running = start("[http]\nrate_limit = '3/h'").await;
        for expected in [status, status, status, 429, 429] {
            let reply = ask(running.addr, &bad).await;
            assert_eq!(reply.status, expected, "{reply:?}");
        }
        assert_eq!(get(running.addr, "/hello").await.status, 429);
        assert_eq!(get(running.addr, "/livez").await.status, 200, "probes are not charged");
        assert_eq!(get(running.admin_addr, "/metrics").await.status, 200);
    }
    for garbage in ["GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "\x16\x03\x01\r\n\r\n"] {
        let running = start("[http]\nrate_limit = '3/h'").await;
        for _ in 0..3 {
            assert_eq!(ask(running.addr, garbage).await.status, 400);
        }
        assert_eq!(get(running.addr, "/hello").await.status, 429, "{garbage:?}");
        // Behind a trusted proxy nobody knows whose it was.
        let running = start(BEHIND_A_PROXY).await;
        for _ in 0..5 {
            assert_eq!(ask(running.addr, garbage).await.status, 400);
        }
        assert_eq!(from(running.addr, "/hello", "203.0.113.1").await.status, 200);
    }
}

#[tokio::test]
async fn who_waits_as_told_is_served() {
    let running = start("[http]\nrate_limit = '60/min'\nrate_limit_burst = 1").await;
    get(running.addr, "/hello").await;
    sleep(Duration::from_millis(1050)).await;
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn it_is_on_by_default_and_can_be_switched_off() {
    let running = start("").await;
    let reply = get(running.addr, "/hello").await;
    assert_eq!(reply.header("ratelimit-policy"), Some("\"client\";q=100;w=60"));
    assert!(reply.header("ratelimit").is_some_and(|state| state.starts_with("\"client\";r=99;")));
    let running = start("[http]\nrate_limit = 'none'").await;
    let mut client = Client::connect(running.addr).await;
    for _ in 0..200 {
        client.send(request("GET", "/hello", &[], "")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.header("ratelimit")), (200, None));
    }
}

#[tokio::test]
async fn probes_and_the_admin_listener_are_never_limited() {
    let running = start("[http]\nrate_limit = '1/min'").await;
    assert_eq!(get(running.addr, "/hello").await.status, 200);
    assert_eq!(get(running.addr, "/hello").await.status, 429);
    for path in ["/livez", "/readyz", "/startupz", "/health", "/live", "/ready", "/health/ready"] {
        for _ in 0..5 {
            let reply = get(running.addr, path).await;
            assert!(
                matches!(reply.status, 200 | 503) && reply.header("ratelimit").is_none(),
                "{path}: {reply:#?}"
            );
        }
    }
    for _ in 0..5 {
        assert_eq!(get(running.admin_addr, "/metrics").await.status, 200);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own() {
    let running = start(BEHIND_A_PROXY).await;
    for client in ["203.0.113.1", "203.0.113.2"] {
        for expected in [200, 200, 429] {
            assert_eq!(from(running.addr, "/hello", client).await.status, expected, "{client}");
        }
    }
    assert_eq!(from(running.addr, "/about", "203.0.113.3").await.json()["client"], "203.0.113.3");
    // What the client itself wrote in front of the proxy's word changes nothing.
    assert_eq!(from(running.addr, "/hello", "198.51.100.1, 203.0.113.1").await.status, 429);
    // Behind a chain of proxies the last address that is none of them counts.
    assert_eq!(from(running.addr, "/hello", "203.0.113.2, 127.0.0.9").await.status, 429);
}

#[tokio::test]
async fn all_of_one_clients_ipv6_network_is_one_client() {
    let running = start(BEHIND_A_PROXY).await;
    for (client, expected) in [
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:2:ffff::2", 200),
        ("[2001:db8:1:2::3]:4711", 429),
        ("2001:db8:1:3::1", 200),
    ] {
        assert_eq!(from(running.addr, "/hello", client).await.status, expected, "{client}");
    }
}

#[tokio::test]
async fn what_strangers_say_of_their_client_is_not_believed() {
    // Once there is a list of proxies, whoever is not in it is the client.
    let running = start("[http]\nrate_limit = '1/min'\ntrusted_proxies = ['192.0.2.1']").await;
    let fields = ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"];
    assert_eq!(get(running.addr, "/hello").await.status, 200);
    for (at, name) in fields.into_iter().enumerate() {
        for claimed in [format!("203.0.113.{at}"), format!("for=203.0.113.{at}"), "1".to_owned()] {
            assert_eq!(
                get_with(running.addr, "/hello", &[(name, &claimed)]).await.status,
                429,
                "{name}: {claimed}"
            );
        }
    }
    let running = start("").await;
    assert_eq!(from(running.addr, "/about", "203.0.113.9").await.json()["client"], "127.0.0.1");
}

#[tokio::test]
async fn a_forwarding_field_does_not_switch_the_limit_off() {
    for field in [("x-real-ip", "1"), ("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")] {
        let running = start("").await;
        let mut client = Client::connect(running.addr).await;
        let mut served = 0;
        for _ in 0..300 {
            client.send(request("GET", "/hello", &[field], "")).await;
            let reply = client.reply().await;
            assert_eq!(reply.header("ratelimit-policy"), Some("\"client\";q=100;w=60"), "{reply:?}");
            served += u32::from(reply.status == 200);
        }
        // A minute holds a hundred, and few more come back while this runs.
        assert!((100..110).contains(&served), "{field:?}: {served}");
    }
}

#[tokio::test]
async fn behind_a_proxy_that_nobody_named_each_client_is_limited_and_all_of_them() {
    let running = start("[http]\nrate_limit = '2/min'\nunlisted_proxy_rate_limit = '5/min'").await;
    for (client, expected) in [
        ("203.0.113.1", 200),
        ("203.0.113.1", 200),
        ("203.0.113.1", 429),
        // What stands before the last address is the client's own invention.
        ("6.6.6.6, 203.0.113.1", 429),
        ("203.0.113.2", 200),
        ("203.0.113.3", 200),
        ("203.0.113.4", 200),
        ("203.0.113.5", 429),
    ] {
        assert_eq!(from(running.addr, "/hello", client).await.status, expected, "{client}");
    }
    // Without a claim, or with one that cannot be read, the peer is the client, and it has its own share.
    for (claim, expected) in [("unknown", 200), ("203.0.113.6, ", 200), ("203.0.113.300", 429)] {
        assert_eq!(from(running.addr, "/hello", claim).await.status, expected, "{claim}");
    }
    assert_eq!(get(running.addr, "/hello").await.status, 429);
}

#[tokio::test]
async fn what_one_unlisted_peer_claims_uses_up_no_client_of_another() {
    let running = start("[http]\nrate_limit = '2/h'").await;
    let claims = async |peer: u8, claim: &str| {
        let mut client = Client::over(super::support::from(peer, running.addr).await);
        client.send(request("GET", "/hello", &[("x-forwarded-for", claim)], "")).await;
        client.reply().await.status
    };
    for claim in ["203.0.113.1", "2001:db8::1"] {
        for expected in [200, 200, 429, 429] {
            assert_eq!(claims(2, claim).await, expected, "{claim}");
        }
        for expected in [200, 200, 429] {
            assert_eq!(claims(3, claim).await, expected, "{claim} through another peer");
        }
    }
}

#[tokio::test]
async fn the_field_that_the_proxy_writes_is_read_and_no_other() {
    for (setting, field, value) in [
        ("forwarded", "forwarded", "for=6.6.6.6, for=\"203.0.113.7:4711\";proto=https"),
        ("Forwarded", "forwarded", "for=203.0.113.7;host=\"a, for=6.6.6.6\""),
        ("x-real-ip", "x-real-ip", "203.0.113.7"),
        ("cf-connecting-ip", "cf-connecting-ip", "203.0.113.7"),
    ] {
        let settings = format!("[http]\ntrusted_proxies = ['127.0.0.1']\nclient_header = {setting:?}");
        let running = start(&settings).await;
        let fields = [("x-forwarded-for", "6.6.6.6"), ("true-client-ip", "6.6.6.6"), (field, value)];
        let reply = get_with(running.addr, "/about", &fields).await;
        assert_eq!(reply.json()["client"], "203.0.113.7", "{setting}");
    }
}

#[tokio::test]
async fn a_limit_on_a_handler_counts_the_same_clients() {
    let running = start("[http]\nrate_limit = 'none'\ntrusted_proxies = ['127.0.0.1']").await;
    for client in ["203.0.113.51", "203.0.113.52"] {
        for expected in [200, 200, 429] {
            let reply = from(running.addr, "/limited", client).await;
            assert_eq!(reply.status, expected, "{client}");
            assert_eq!(reply.header("retry-after").is_some(), expected == 429);
        }
    }
    let stranger = start("[http]\nrate_limit = 'none'").await;
    for (at, expected) in [200, 200, 429].into_iter().enumerate() {
        let reply = from(stranger.addr, "/limited", &format!("203.0.113.{}", 60 + at)).await;
        assert_eq!(reply.status, expected, "whatever it claims, the peer is the client");
    }
}
