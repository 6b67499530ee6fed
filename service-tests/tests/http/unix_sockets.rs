//! The service at Unix sockets: who may connect, who is believed, and what becomes of the file.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::app::shop;
use super::support::start;
use hardening_service_tests::client::{Client, Http2, Reply, request};
use hardening_service_tests::service::{problem, scrape, secured, until, value};
use tokio::net::UnixStream;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("hardening-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("shop.sock")
    }

    fn settings(&self) -> String {
        format!("[http]\nlisten = 'unix:{}'\nrate_limit = '1/min'\n", self.socket().display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.expect("a connection")
}

async fn get(path: &Path, target: &str, fields: &[(&str, &str)]) -> Reply {
    let mut client = Client::over(connect(path).await);
    client.send(request("GET", target, fields, "")).await;
    client.reply().await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_and_the_file_goes_with_the_service() {
    let folder = Folder::new();
    let path = folder.socket();
    let running = start(&format!("{}socket_mode = '600'\n", folder.settings())).await;
    assert_eq!(running.addr.port(), 0, "no port is open");
    let found = fs::symlink_metadata(&path).expect("the socket's file");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let mut old = Client::over(connect(&path).await);
    for _ in 0..3 {
        old.send(request("GET", "/hello", &[], "")).await;
        let reply = old.reply().await;
        secured(&reply);
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    }
    let new = Http2::over(connect(&path).await).await;
    assert_eq!(new.ask("GET", "/hello", &[], "").await.body, "hello");
    let mut garbage = Client::over(connect(&path).await);
    garbage.send("GET / HTTP/9.9\r\n\r\n").await;
    problem(&garbage.reply().await, 400);
    let report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(!path.exists(), "the file is gone");
}

#[tokio::test]
async fn a_process_at_the_socket_is_believed_like_a_trusted_proxy() {
    let folder = Folder::new();
    let _running = start(&folder.settings()).await;
    let path = folder.socket();
    for client in ["203.0.113.1", "2001:db8::1"] {
        let forwarded = [("x-forwarded-for", client)];
        let about = get(&path, "/about", &forwarded).await;
        assert_eq!(about.json()["client"], client);
        problem(&get(&path, "/about", &forwarded).await, 429);
    }
    for _ in 0..3 {
        let about = get(&path, "/about", &[]).await;
        assert_eq!(about.json()["client"], serde_json::Value::Null, "it names nobody, and is not limited");
        assert_eq!(about.header("ratelimit"), None);
    }
}

#[tokio::test]
async fn a_file_that_nobody_answers_at_is_replaced_and_any_other_is_left_alone() {
    let folder = Folder::new();
    let path = folder.socket();
    // What a process that was killed leaves behind.
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let running = start(&folder.settings()).await;
    assert_eq!(get(&path, "/hello", &[]).await.status, 200);
    let second = shop().with_settings(folder.settings()).start().await.expect_err("it is taken").to_string();
    assert!(second.contains("another process answers there") && second.contains("`http.listen`"), "{second}");
    assert_eq!(get(&path, "/hello", &[]).await.status, 200, "the first one is as it was");
    // Somebody else put another file in its place: it is not the service's to remove.
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "precious").expect("written");
    assert!(running.shutdown().await.is_clean());
    let third = shop().with_settings(folder.settings()).start().await.expect_err("no socket").to_string();
    assert!(third.contains("a file that is no socket is there"), "{third}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
}

#[tokio::test]
async fn the_admin_listener_may_be_a_socket_too() {
    let folder = Folder::new();
    let path = folder.socket();
    let running = start(&format!("[http]\nadmin = 'unix:{}'", path.display())).await;
    assert_eq!(running.admin_addr.port(), 0);
    until("ready", || async { get(&path, "/readyz", &[]).await.status == 200 }).await;
    assert!(get(&path, "/metrics", &[]).await.body.contains("http_requests_in_flight"));
    assert!(running.shutdown().await.is_clean());
    assert!(!path.exists());
}

#[tokio::test]
async fn whoever_waits_in_the_backlog_when_the_drain_begins_is_answered() {
    let folder = Folder::new();
    let path = folder.socket();
    let running = start(&folder.settings()).await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = Client::over(connect(&path).await);
        client.send(request("GET", "/hello", &[("connection", "close")], "")).await;
        waiting.push(client);
    }
    running.terminate();
    for mut client in waiting {
        assert_eq!(client.reply().await.status, 200);
    }
}

#[tokio::test]
async fn tls_at_a_socket_is_refused_and_a_folder_that_is_missing_is_named() {
    let settings = "[http]\nlisten = 'unix:/run/x.sock'\n[tls]\ncertificate = 'a'\nkey = 'b'";
    let refused = shop().with_settings(settings).start().await.expect_err("a contradiction").to_string();
    assert!(refused.contains("nobody speaks TLS"), "{refused}");
    let settings = "[http]\nlisten = 'unix:/no/such/folder/x.sock'";
    let refused = shop().with_settings(settings).start().await.expect_err("no folder").to_string();
    assert!(refused.contains("its folder does not exist"), "{refused}");
}

#[tokio::test]
async fn connections_at_the_socket_are_counted() {
    let folder = Folder::new();
    let running = start(&folder.settings()).await;
    assert_eq!(get(&folder.socket(), "/hello", &[]).await.status, 200);
    let counted = "http_requests_total{method=\"GET\",route=\"/hello\",status=\"200\"}";
    until("counted", || async { value(&scrape(&running).await, counted) == Some(1.0) }).await;
}
