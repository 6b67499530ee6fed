//! The host that a request names: one, well-formed, and the same everywhere.

use super::support::start;
use hardening_service_tests::client::{Http2, ask};
use hardening_service_tests::service::problem;

#[tokio::test]
async fn both_listeners_want_one_well_formed_host() {
    let running = start("[http]\nrate_limit = 'none'").await;
    for address in [running.addr, running.admin_addr] {
        let get =
            |version: &str, hosts: &str| ask(address, format!("GET /livez HTTP/{version}\r\n{hosts}\r\n"));
        for (hosts, detail) in [
            ("", "A `Host` header is missing."),
            ("host: a\r\nHost: a\r\n", "There is more than one `Host` header."),
            ("host: a b\r\n", "The `Host` header is no host."),
            ("host: user@a\r\n", "The `Host` header is no host."),
            ("host: a:b\r\n", "The `Host` header is no host."),
            ("host: a:65536\r\n", "The `Host` header is no host."),
            ("host: [zz]\r\n", "The `Host` header is no host."),
            ("host: a[b]\r\n", "The `Host` header is no host."),
            ("host: \u{e9}\r\n", "The `Host` header is no host."),
        ] {
            let told = problem(&get("1.1", hosts).await, 400);
            assert_eq!(told["detail"], detail, "{hosts:?}");
        }
        for host in ["a", "A.example.", "a_b-c.example:8080", "127.0.0.1:1", "[2001:db8::7]:443", "a:", ""] {
            let reply = get("1.1", &format!("host: {host}\r\n")).await;
            assert_eq!(reply.status, 200, "{host:?}: {reply:#?}");
        }
        assert_eq!(get("1.0", "").await.status, 200, "old HTTP may name none");
        problem(&get("1.0", "host: a\r\nhost: a\r\n").await, 400);
    }
}

#[tokio::test]
async fn the_host_of_http2_is_its_authority() {
    let running = start("").await;
    let http2 = Http2::connect(running.addr).await;
    for host in ["test", "TEST", "test:80", "test:"] {
        let reply = http2.ask("GET", "/livez", &[("host", host)], "").await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for (hosts, detail) in [
        (&["other"][..], "`:authority` and `Host` differ."),
        (&["test:8080"], "`:authority` and `Host` differ."),
        (&[""], "`:authority` and `Host` differ."),
        (&["test", "test"], "There is more than one `Host` header."),
        (&["te st"], "The `Host` header is no host."),
    ] {
        let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let told = problem(&http2.ask("GET", "/livez", &fields, "").await, 400);
        assert_eq!(told["detail"], detail, "{hosts:?}");
    }
    assert_eq!(http2.ask("GET", "/livez", &[], "").await.status, 200, "the connection lives on");
}
