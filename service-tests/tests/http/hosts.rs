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
            let named = address == running.admin_addr
                && !host.is_empty()
                && !host.contains("::")
                && !host.contains("127");
            assert_eq!(reply.status, if named { 403 } else { 200 }, "{host:?}: {reply:#?}");
        }
        assert_eq!(get("1.0", "").await.status, 200, "old HTTP may name none");
        problem(&get("1.0", "host: a\r\nhost: a\r\n").await, 400);
    }
}

#[tokio::test]
async fn the_host_of_http2_is_its_authority() {
    let running = start("").await;
    let http2 = Http2::connect(running.addr).await;
    for host in ["localhost", "LOCALHOST", "localhost:80", "localhost:"] {
        let reply = http2.ask("GET", "/livez", &[("host", host)], "").await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for (hosts, detail) in [
        (&["other"][..], "`:authority` and `Host` differ."),
        (&["localhost:8080"], "`:authority` and `Host` differ."),
        (&[""], "`:authority` and `Host` differ."),
        (&["localhost", "localhost"], "There is more than one `Host` header."),
        (&["te st"], "The `Host` header is no host."),
    ] {
        let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let told = problem(&http2.ask("GET", "/livez", &fields, "").await, 400);
        assert_eq!(told["detail"], detail, "{hosts:?}");
    }
    assert_eq!(http2.ask("GET", "/livez", &[], "").await.status, 200, "the connection lives on");
}

#[tokio::test]
async fn a_target_that_names_a_user_is_refused() {
    let running = start("[http]\nrate_limit = 'none'").await;
    for address in [running.addr, running.admin_addr] {
        let get = |target: &str| ask(address, format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        for user in ["ann@", "ann:secret@", "@", ":@", "127.0.0.1:80@", "localhost%40@"] {
            let told = problem(&get(&format!("http://{user}localhost/livez")).await, 400);
            assert_eq!(told["detail"], "The target names a user before its host.", "{user}");
        }
        assert_eq!(get("http://localhost/livez").await.status, 200);
        // The same in the header, and where a proxy could read another host than we do.
        for host in ["ann@localhost", "localhost@evil.example", "@localhost"] {
            let reply = ask(address, format!("GET /livez HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
            problem(&reply, 400);
        }
        let http2 = Http2::connect(address).await;
        for target in ["http://ann@localhost/livez", "http://ann:secret@localhost/livez"] {
            let told = problem(&http2.ask("GET", target, &[], "").await, 400);
            assert_eq!(told["detail"], "The target names a user before its host.", "{target}");
        }
        assert_eq!(http2.ask("GET", "/livez", &[], "").await.status, 200, "the connection lives on");
    }
}

#[tokio::test]
async fn every_path_of_the_admin_listener_is_for_its_own_hosts_alone() {
    let running = start("[admin]\nhosts = ['metrics.internal']").await;
    let paths =
        ["/metrics", "/livez", "/readyz?verbose", "/startupz", "/console", "/console/api/state", "/missing"];
    for path in paths {
        let get =
            |host: &str| ask(running.admin_addr, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        for host in
            ["evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.nip.example", "orders"]
        {
            let told = problem(&get(host).await, 403);
            assert!(told["detail"].to_string().contains("`[admin] hosts`"), "{path} {host}: {told}");
        }
        // What the kubelet, Prometheus and people name: the address of the pod, or a name of the setting.
        for host in
            ["10.1.2.3:9090", "[fd00::7]:9090", "127.0.0.1", "localhost:9090", "metrics.internal:9090"]
        {
            assert_ne!(get(host).await.status, 403, "{path} {host}");
        }
        let absolute = format!("GET http://evil.example{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        problem(&ask(running.admin_addr, absolute).await, 403);
        let http2 = Http2::connect(running.admin_addr).await;
        problem(&http2.ask("GET", &format!("http://evil.example{path}"), &[], "").await, 403);
    }
    // Old clients name none, and no browser is one.
    for path in ["/metrics", "/livez"] {
        let reply = ask(running.admin_addr, format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "{path}");
    }
    let reply = ask(running.addr, "GET /livez HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    assert_eq!(reply.status, 200, "the service's own listener has whatever names it has");
}
