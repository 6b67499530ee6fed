//! The console of a process: its layer of settings over file and environment, its audit in the log, and its drain.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::reload::{reloaded, told};

const TOKEN: &str = "planted-token-of-the-operator";

/// The status and the body of the answer to an action.
async fn act(admin: SocketAddr, token: &str, action: &str, asked: &Value) -> (u16, Value) {
    let body = asked.to_string();
    let request = format!(
        "POST /console/api/actions/{action} HTTP/1.1\r\nhost: {admin}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(admin).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn office(file: &str) -> Program {
    Program::office("office")
        .file(file)
        .with("OPERATOR", TOKEN)
        .with("HARDENING_ADMIN__TOKEN", "secret://env/OPERATOR")
}

async fn done(service: &Process, action: &str, asked: Value) -> Value {
    let (status, body) = act(service.admin_addr, TOKEN, action, &asked).await;
    assert_eq!(status, 200, "{body:#}");
    body
}

#[tokio::test]
async fn what_the_console_sets_outlives_a_reload_of_the_file_and_not_the_process() {
    let service = office("[call.\"office::price\".retry]\nattempts = 4\n").serve().await;
    let path = json!(["call", "office::price", "retry", "attempts"]);
    let set = |value: u8| json!({ "path": path, "value": value });
    assert_eq!(told(&service, "price").await, "4: failed");
    assert_eq!(done(&service, "set", set(6)).await["was"], "4");
    assert_eq!(told(&service, "price").await, "6: failed");
    service.write_settings(
        "[call.\"office::price\".retry]\nattempts = 5\n[call.\"office::timed\".timeout]\nafter = '1s'\n",
    );
    reloaded(&service, "applied", 1).await;
    assert_eq!(told(&service, "price").await, "6: failed", "the console is above the file");
    // A file that is broken by now stands in nobody's way, and nothing of it comes into force.
    service.write_settings("[call.\"office::price\".retry]\nattempts = 'many'\n");
    reloaded(&service, "refused", 1).await;
    assert_eq!(done(&service, "set", set(7)).await["now"], "7");
    assert_eq!(told(&service, "price").await, "7: failed");
    let back = done(&service, "unset", json!({ "path": path })).await;
    assert_eq!((&back["was"], &back["now"]), (&json!("7"), &json!("5")), "the last file that was right");
    assert_eq!(told(&service, "price").await, "5: failed");
    done(&service, "set", set(6)).await;
    service.signal("TERM");
    assert_eq!(service.ended().await.code, 0);
    let again = office("[call.\"office::price\".retry]\nattempts = 4\n").serve().await;
    assert_eq!(told(&again, "price").await, "4: failed");
    again.signal("TERM");
    again.ended().await;
}

#[tokio::test]
async fn a_reload_that_breaks_a_rule_with_what_the_console_set_changes_nothing() {
    let service = office("").serve().await;
    let path = json!(["call", "office::price", "timeout", "after"]);
    done(&service, "set", json!({ "path": path, "value": "20s" })).await;
    service.write_settings("[call.\"office::price\"]\ndeadline = '10s'\n");
    reloaded(&service, "refused", 1).await;
    service.signal("TERM");
    let log = service.ended().await.log();
    let named = log.iter().any(|line| {
        line["message"].as_str().is_some_and(|said| said.contains("office::price"))
            && line["level"] == "ERROR"
    });
    assert!(named, "{log:#?}");
}

#[tokio::test]
async fn every_action_is_in_the_audit_and_the_token_nowhere() {
    let manifest = office("").with("HARDENING", "describe").run().await;
    let shown = manifest.manifest();
    let settings = shown["settings"].as_array().expect("settings");
    let token = settings.iter().find(|entry| entry["section"] == "admin" && entry["key"] == "token");
    assert_eq!(token.expect("the token")["value"], "[redacted]");
    assert!(!shown.to_string().contains(TOKEN));
    let service = office("").with("HARDENING_SHUTDOWN__PRE_DRAIN", "1s").serve().await;
    let path = json!(["call", "office::price", "retry", "attempts"]);
    assert_eq!(act(service.admin_addr, "not-the-token-at-all", "drain", &json!({})).await.0, 401);
    done(&service, "set", json!({ "path": path, "value": 2 })).await;
    assert_eq!(act(service.admin_addr, TOKEN, "set", &json!({ "path": path, "value": 0 })).await.0, 422);
    assert_eq!(done(&service, "drain", json!({})).await["was"], "Serving");
    // Readiness turned, and a second word is no second signal.
    assert_eq!(act(service.admin_addr, TOKEN, "drain", &json!({})).await.0, 422);
    let end = service.ended().await;
    assert_eq!(end.code, 0, "{end:#?}");
    let log = end.log();
    let audit: Vec<_> = log.iter().filter(|line| line["target"] == "hardening::audit").collect();
    let told = |at: usize, key: &str| audit[at][key].as_str().unwrap_or_default().to_owned();
    let seen: Vec<_> =
        (0..audit.len()).map(|at| (told(at, "action"), told(at, "result"), told(at, "who"))).collect();
    let row = |action: &str, result: &str, who: &str| (action.to_owned(), result.to_owned(), who.to_owned());
    let admin = "admin token";
    assert_eq!(
        seen,
        [
            row("drain", "denied", "unknown"),
            row("set", "applied", admin),
            row("set", "refused", admin),
            row("drain", "applied", admin),
            row("drain", "refused", admin),
        ]
    );
    assert_eq!((told(1, "was"), told(1, "now")), ("3".to_owned(), "2".to_owned()));
    assert!(told(1, "what").contains("office::price.retry.attempts") && !told(1, "request_id").is_empty());
    assert_eq!(told(1, "client"), "127.0.0.1");
    let everything = format!("{}\n{}", end.said.join("\n"), end.complained);
    assert!(!everything.contains(TOKEN) && !everything.contains("not-the-token-at-all"), "{everything}");
}

#[tokio::test]
async fn a_token_is_exchanged_while_the_service_runs() {
    let settings = |token: &str| format!("[admin]\ntoken = '{token}'\n");
    let service = Program::office("office").file(&settings(TOKEN)).serve().await;
    let other = "another-token-of-the-operator";
    let verify = async |token: &str| act(service.admin_addr, token, "verify", &json!({})).await.0;
    assert_eq!((verify(TOKEN).await, verify(other).await), (200, 401));
    service.write_settings(&settings(other));
    reloaded(&service, "applied", 1).await;
    assert_eq!((verify(TOKEN).await, verify(other).await), (401, 200));
    // One that is none leaves the one before.
    service.write_settings(&settings("short"));
    reloaded(&service, "refused", 1).await;
    assert_eq!(verify(other).await, 200);
    service.signal("TERM");
    let end = service.ended().await;
    assert!(!format!("{end:?}").contains(other) && !format!("{end:?}").contains("`short`"), "{end:#?}");
}

#[tokio::test]
async fn a_token_that_is_too_short_is_refused_without_its_text() {
    for (program, place) in [
        (Program::office("office").with("HARDENING_ADMIN__TOKEN", "hunter2"), "HARDENING_ADMIN__TOKEN"),
        (Program::office("office").file("[admin]\ntoken = 'hunter2'\n"), "hardening.toml:2"),
        (
            Program::office("office").with("T", "hunter2").file("[admin]\ntoken = '${T}'\n"),
            "hardening.toml:2",
        ),
    ] {
        let end = program.run().await;
        end.refused(&[place, "at least 16"]);
        assert!(!format!("{end:?}").contains("hunter2"), "{end:?}");
    }
}
