//! Proxies that say for whom they connect, and peers that are none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::app::shop;
use super::support::start;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::{Client, Http2, Reply, get, request};
use hardening_service_tests::service::{scrape, until, value};

const REQUIRED: &str = "[http]\nproxy_protocol = 'required'\ntrusted_proxies = ['127.0.0.0/8']\n";

/// A header of version 2 for a client's address.
fn binary(client: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(client) = client else { panic!("{client} is not of version 4") };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client.ip().octets());
    header.extend([10, 0, 0, 1]);
    header.extend(client.port().to_be_bytes());
    header.extend(443_u16.to_be_bytes());
    header
}

/// A connection that begins with these bytes.
async fn after(address: SocketAddr, header: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(header).await.unwrap();
    stream
}

/// What comes until the other end closes.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("an end");
    bytes
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_connects_for() {
    let running = start(&format!("{REQUIRED}rate_limit = '4/min'")).await;
    for (header, client) in [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 fd00::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (binary("203.0.113.8:4711".parse().unwrap()), "203.0.113.8"),
    ] {
        // In pieces, as a network may deliver it.
        let mut stream = after(running.addr, &header[..header.len() / 2]).await;
        stream.write_all(&header[header.len() / 2..]).await.unwrap();
        let mut http = Client::over(stream);
        // What the client writes of itself is not the proxy's word.
        for left in ["3", "2"] {
            http.send(request("GET", "/about", &[("x-forwarded-for", "6.6.6.6")], "")).await;
            let reply = http.reply().await;
            assert_eq!(reply.json()["client"], client);
            assert_eq!(remaining(&reply), left, "{client}");
        }
    }
    let new = Http2::over(after(running.addr, &binary("203.0.113.9:1".parse().unwrap())).await).await;
    assert_eq!(new.ask("GET", "/about", &[], "").await.json()["client"], "203.0.113.9");
    assert_eq!(get(running.admin_addr, "/livez").await.status, 200, "the admin listener asks for none");
}

/// What its client may still do at once.
fn remaining(reply: &Reply) -> String {
    let state = reply.header("ratelimit").unwrap_or_default();
    let left = state.strip_prefix("\"client\";r=").and_then(|left| left.split(';').next());
    left.unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

/// Headers that name nobody: `UNKNOWN` with and without addresses, `LOCAL`, a family that is unspecified, and a Unix socket's.
fn unnamed() -> Vec<Vec<u8>> {
    let v2 = |command: u8, family: u8, length: u8| {
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x20 | command, family, 0, length], &vec![b'a'; length.into()]]
            .concat()
    };
    vec![
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(),
        v2(0, 0, 0),
        v2(0, 0x11, 12),
        v2(1, 0, 0),
        v2(1, 0x31, 216),
    ]
}

#[tokio::test]
async fn whom_the_proxy_does_not_name_is_believed_nothing() {
    let running = start(&format!("{REQUIRED}rate_limit = '7/h'")).await;
    for (header, left) in unnamed().into_iter().zip((1..7).rev()) {
        let mut http = Client::over(after(running.addr, &header).await);
        http.send(request("GET", "/about", &[("x-forwarded-for", &format!("6.6.6.{left}"))], "")).await;
        let reply = http.reply().await;
        assert_eq!(reply.json()["client"], "127.0.0.1", "{header:?}");
        assert_eq!(remaining(&reply), left.to_string(), "all of them are one client: {header:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn whom_a_proxy_at_a_unix_socket_does_not_name_is_nobody() {
    let path = std::env::temp_dir().join(format!("hardening-{:016x}.sock", fastrand::u64(..)));
    let settings = format!(
        "[http]\nproxy_protocol = 'required'\nlisten = 'unix:{}'\nrate_limit = '7/h'",
        path.display()
    );
    let _running = start(&settings).await;
    let ask = async |header: &[u8]| {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(header).await.unwrap();
        let mut http = Client::over(stream);
        http.send(request("GET", "/about", &[("x-forwarded-for", "6.6.6.6")], "")).await;
        http.reply().await
    };
    for (header, left) in unnamed().into_iter().zip((1..7).rev()) {
        let reply = ask(&header).await;
        assert!(reply.json()["client"].is_null(), "{header:?}: {reply:?}");
        assert_eq!(remaining(&reply), left.to_string(), "all of them are one client: {header:?}");
    }
    assert_eq!(ask(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n").await.json()["client"], "203.0.113.7");
}

#[tokio::test]
async fn who_is_over_its_share_behind_a_proxy_displaces_nobody_else() {
    let running = start(&format!("{REQUIRED}connections = 16\nrate_limit = 'none'")).await;
    let open = async |client: &str| {
        let mut http = Client::over(after(running.addr, &binary(client.parse().unwrap())).await);
        http.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(http.reply().await.status, 200, "{client}");
        http
    };
    let mut neighbours = [open("203.0.113.8:1").await, open("203.0.113.9:1").await];
    let holds =
        [&binary("203.0.113.7:4711".parse().unwrap())[..], b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
    let mut held = Vec::new();
    for _ in 0..14 {
        held.push(after(running.addr, &holds).await);
    }
    let count = async |result: &str| {
        let series = format!("http_connections_total{{listener=\"public\",result=\"{result}\"}}");
        value(&scrape(&running).await, &series)
    };
    until("it has all it may have", || async {
        value(&scrape(&running).await, "http_requests_in_flight") == Some(14.0)
    })
    .await;
    for _ in 0..20 {
        let over = after(running.addr, &holds).await;
        assert_eq!(rest(over).await, b"", "it ends unanswered");
    }
    assert_eq!((count("refused").await, count("displaced").await), (Some(20.0), Some(0.0)));
    for http in &mut neighbours {
        http.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(http.reply().await.status, 200, "it kept its place");
    }
    // Strangers, who may not speak for anybody, take no place either.
    let running = start(&format!("{}connections = 2", REQUIRED.replace("0.0/8", "0.1/32"))).await;
    let mut kept = Vec::new();
    for client in ["203.0.113.8:1", "203.0.113.9:1"] {
        let mut http = Client::over(after(running.addr, &binary(client.parse().unwrap())).await);
        http.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(http.reply().await.status, 200);
        kept.push(http);
    }
    for _ in 0..10 {
        assert_eq!(rest(super::support::from(2, running.addr).await).await, b"");
    }
    for http in &mut kept {
        http.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(http.reply().await.status, 200, "it kept its place");
    }
}

#[tokio::test]
async fn it_comes_before_the_handshake_of_tls() {
    let authority = Authority::new();
    let running = start(&(REQUIRED.to_owned() + &authority.install(&authority.server()))).await;
    let stream = after(running.addr, &binary("203.0.113.7:4711".parse().unwrap())).await;
    let connector = TlsConnector::from(Arc::clone(&authority.plain_config()));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut client = Client::over(stream);
    client.send(request("GET", "/about", &[], "")).await;
    assert_eq!(client.reply().await.json()["client"], "203.0.113.7");
}

#[tokio::test]
async fn a_client_behind_a_proxy_has_the_share_of_one_peer() {
    let running = start(&format!("{REQUIRED}connections = 16\nrate_limit = 'none'")).await;
    let holds =
        [&binary("203.0.113.7:4711".parse().unwrap())[..], b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(after(running.addr, &holds).await);
    }
    let series = r#"http_connections_total{listener="public",result="refused"}"#;
    until("it has all it may have", || async { value(&scrape(&running).await, series) == Some(18.0) }).await;
    // Others find the eighth that is left.
    for client in ["203.0.113.8:1", "203.0.113.9:1", "203.0.113.8:2"] {
        let mut http = Client::over(after(running.addr, &binary(client.parse().unwrap())).await);
        http.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(http.reply().await.status, 200, "{client}");
    }
}

#[tokio::test]
async fn what_does_not_begin_with_it_is_ended_unanswered_and_counted() {
    let running = start(&format!("{REQUIRED}header_timeout = '1s'")).await;
    let plain = request("GET", "/about", &[], "");
    for garbage in [
        plain.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 +4711 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PROXY TCP4 203.0.113.7\0 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0caaaabbbbccdd",
    ] {
        let answer = rest(after(running.addr, garbage).await).await;
        assert_eq!(answer, b"", "{:?}", String::from_utf8_lossy(garbage));
    }
    // One that says nothing, or not all of it, has the time of a head.
    for short in [&b""[..], b"PROXY TCP4 203.0.113.7 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0caaaa"] {
        let began = Instant::now();
        assert_eq!(rest(after(running.addr, short).await).await, b"");
        assert!(began.elapsed() >= Duration::from_millis(900), "{short:?}: {:?}", began.elapsed());
    }
    let series = r#"http_connections_total{listener="public",result="not_proxied"}"#;
    until("all are counted", || async { value(&scrape(&running).await, series) == Some(10.0) }).await;
}

#[tokio::test]
async fn only_trusted_peers_connect_and_somebody_must_be_trusted() {
    let settings = "[http]\nproxy_protocol = 'required'\ntrusted_proxies = ['192.0.2.1']";
    let running = start(settings).await;
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET /about HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(rest(after(running.addr, header).await).await, b"");
    let error =
        shop().with_settings("[http]\nproxy_protocol = 'required'").start().await.unwrap_err().to_string();
    assert!(error.contains("`http.proxy_protocol`") && error.contains("`http.trusted_proxies`"), "{error}");
    let error = shop().with_settings("[http]\nproxy_protocol = 'on'").start().await.unwrap_err().to_string();
    assert!(error.contains("write one of `off` or `required`"), "{error}");
    // Where none is asked for, a header is no request.
    let running = start("").await;
    let answer = String::from_utf8(rest(after(running.addr, header).await).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
