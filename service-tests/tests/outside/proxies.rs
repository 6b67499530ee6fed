//! Proxies, set up as the page about them says.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hardening::Running;
use hardening_service_tests::client::{Client, Reply, connect_from, request};
use hardening_service_tests::service::until;
use hardening_service_tests::{ports, tool};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::app::start;

const PAGE: &str = include_str!("../../../docs/proxies.md");

/// The blocks of one language below a heading of the page.
fn block(heading: &str, language: &str) -> &'static str {
    let section =
        PAGE.split("\n## ").find(|section| section.lines().next() == Some(heading)).expect("a section");
    let fence = format!("```{language}\n");
    let (_, rest) = section.split_once(fence.as_str()).expect("a block");
    &rest[..rest.find("```").expect("its end")]
}

/// A proxy that listens at an address of its own until it is dropped.
struct Proxy {
    at: SocketAddr,
    _child: Child,
    folder: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a proxy with a configuration of the page, in which these addresses stand for those of the page.
async fn proxy(program: &str, configuration: &str, others: &[(&str, SocketAddr)]) -> Option<Proxy> {
    let at = ports::free();
    let mut text = configuration
        .replace("127.0.0.1:80\n", &format!("{at}\n"))
        .replace("127.0.0.1:80;", &format!("{at};"));
    for (written, address) in others {
        text = text.replace(written, &address.to_string());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-{}", at.port()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program);
    command.current_dir(&folder);
    if program == "nginx" {
        // Where it writes what it needs; the page's reader has folders for that.
        let own = "daemon off; user root; worker_processes 1; pid nginx.pid; error_log stderr crit;";
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};"));
        text = text.replace("http {", &format!("http {{ access_log off; {}", folders.concat()));
        std::fs::write(folder.join("nginx.conf"), text).unwrap();
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-g", own]);
    } else {
        std::fs::write(folder.join("haproxy.cfg"), text).unwrap();
        command.args(["-db", "-q", "-f", "haproxy.cfg"]);
    }
    let child = tool::spawned(&mut command)?;
    let proxy = Proxy { at, _child: child, folder };
    until("the proxy listens", || async { TcpStream::connect(at).await.is_ok() }).await;
    Some(proxy)
}

/// A connection from one of the machine's own addresses.
async fn from(client: &str, to: SocketAddr) -> TcpStream {
    connect_from(client.parse::<IpAddr>().unwrap(), to).await
}

async fn ask(client: &str, to: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut connection = Client::over(from(client, to).await);
    connection.send(request("GET", path, fields, "")).await;
    connection.reply().await
}

/// What holds behind each of them.
async fn holds_behind(proxy: SocketAddr) {
    for client in ["127.0.0.7", "127.0.0.8"] {
        let forged =
            [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2"), ("x-real-ip", "192.0.2.3")];
        for fields in [&forged[..], &[]] {
            let said = ask(client, proxy, "/who", fields).await.body;
            assert_eq!(said.split(' ').next(), Some(client), "{said}");
        }
    }
    // Each has a limit of its own, which four requests have begun to use.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(ask("127.0.0.7", proxy, "/who", &[]).await.status);
    }
    assert_eq!((statuses[0], statuses[7]), (200, 429), "{statuses:?}");
    assert_eq!(ask("127.0.0.8", proxy, "/who", &[]).await.status, 200);
    // A socket.
    let stream = from("127.0.0.9", proxy).await;
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("ws://{proxy}/echo"), stream).await.expect("an upgrade");
    for text in ["a", &"b".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    // A stream whose first event is not held back until the second.
    let mut events = Client::over(from("127.0.0.10", proxy).await);
    let began = Instant::now();
    events.send(request("GET", "/events", &[], "")).await;
    assert_eq!(events.reply_to_head().await.status, 200);
    events.until(b"data: after 0 s\n\n").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // A body on its way.
    let mut upload = Client::over(from("127.0.0.11", proxy).await);
    upload.send(request("POST", "/upload", &[], &"x".repeat(500_000))).await;
    assert_eq!(upload.reply().await.body, "500000");
}

const BELIEVES: &str = "[http]\ntrusted_proxies = ['127.0.0.1']\nrate_limit = '8/h'\nrate_limit_burst = 8\n";

#[tokio::test]
async fn behind_haproxy() {
    let service = start(BELIEVES).await;
    let config = block("HAProxy", "haproxy");
    let others = [("127.0.0.1:8080", service.addr), ("127.0.0.1:8081", ports::free())];
    let Some(proxy) = proxy("haproxy", config, &others).await else { return };
    until("it has found the instance", || async {
        ask("127.0.0.6", proxy.at, "/livez", &[]).await.status == 200
    })
    .await;
    holds_behind(proxy.at).await;
}

#[tokio::test]
async fn behind_haproxy_that_passes_tcp_on() {
    let service = start(&format!("{BELIEVES}proxy_protocol = 'required'\n")).await;
    let config = block("HAProxy that passes TCP on", "haproxy");
    let config = config.replace("port 9090", &format!("port {}", service.admin_addr.port()));
    let Some(proxy) = proxy("haproxy", &config, &[("127.0.0.1:8080", service.addr)]).await else { return };
    until("it has found the instance", || async {
        let mut client = Client::over(from("127.0.0.6", proxy.at).await);
        client.sent(request("GET", "/livez", &[("connection", "close")], "")).await
            && client.rest().await.starts_with("HTTP/1.1 200")
    })
    .await;
    holds_behind(proxy.at).await;
}

#[tokio::test]
async fn behind_nginx() {
    let service = start(BELIEVES).await;
    let Some(proxy) = proxy("nginx", block("nginx", "nginx"), &[("127.0.0.1:8080", service.addr)]).await
    else {
        return;
    };
    holds_behind(proxy.at).await;
    let said = ask("127.0.0.12", proxy.at, "/who", &[("x-request-id", "mine")]).await.body;
    let id = said.split(' ').nth(1).unwrap();
    assert_eq!(id.len(), 32, "nginx's own id: {said}");
}

#[tokio::test]
async fn no_request_fails_while_an_instance_behind_haproxy_stops() {
    let settings =
        "[http]\ntrusted_proxies = ['127.0.0.1']\nrate_limit = 'none'\n[shutdown]\npre_drain = '2s'";
    let [one, two]: [Running; 2] = [start(settings).await, start(settings).await];
    let others = [("127.0.0.1:8080", one.addr), ("127.0.0.1:8081", two.addr)];
    let Some(proxy) = proxy("haproxy", block("HAProxy", "haproxy"), &others).await else { return };
    until("it has found them", || async { ask("127.0.0.6", proxy.at, "/livez", &[]).await.status == 200 })
        .await;
    let address = proxy.at;
    let mut clients = tokio::task::JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for client in 0..8_usize {
        let stopped = stopped.clone();
        clients.spawn(async move {
            let mut statuses = Vec::new();
            let mut kept = Client::over(from("127.0.0.7", address).await);
            while !*stopped.borrow() {
                let path = if client % 2 == 0 { "/slow" } else { "/who" };
                kept.send(request("GET", path, &[], "")).await;
                let reply = kept.reply().await;
                statuses.push(reply.status);
                if reply.header("connection") == Some("close") {
                    kept = Client::over(from("127.0.0.7", address).await);
                }
            }
            statuses
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(one.shutdown().await.is_clean());
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.send(true).unwrap();
    let mut all = Vec::new();
    while let Some(statuses) = clients.join_next().await {
        all.extend(statuses.unwrap());
    }
    assert!(all.len() > 100 && all.iter().all(|status| *status == 200), "{} {all:?}", all.len());
    drop(two);
}
