//! Secrets planted wherever they can be, and looked for wherever something is told.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::get;
use crate::ports::free;
use crate::process::{End, Program};
use crate::support::{metric, until};

/// What every planted secret has in it, and what the one in the file is.
const PLANTED: &str = "planted-";
const IN_A_FILE: &str = "correct horse planted-in-a-file";

#[track_caller]
fn keeps_secrets(channel: &str, text: &str) {
    let at = text.find(PLANTED);
    let around = at.map(|at| text.get(at.saturating_sub(200)..at + 60).unwrap_or(text));
    assert_eq!(around, None, "{channel}");
}

fn leaky() -> Program {
    let program = Program::office("leaky");
    let file = program.directory.write("password", format!("{IN_A_FILE}\n"));
    program
        .with("HARDENING_SECRETS__DB_PASSWORD", &format!("secret://file{file}"))
        .with("HARDENING_SERVICE__COMMIT", "secret://env/COMMIT")
        .with("COMMIT", "planted-in-a-variable")
        .with("HARDENING_LOG__REDACT", "employee-iban")
        .with("HARDENING_LOG__LEVEL", "trace")
        .with("PANICS", "yes")
}

/// A request with secrets wherever a request has a place for them, and its answer.
async fn leaking(address: std::net::SocketAddr, path: &str, id: &str) -> String {
    let target = format!("{path}?token=planted-in-a-query&employee_iban=planted-in-a-name-of-ones-own");
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer planted-in-a-header\r\n\
         cookie: session=planted-in-a-cookie\r\nx-api-key: planted-in-an-api-key\r\nx-request-id: {id}\r\n\
         connection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// What was told of a request with this id.
fn told(end: &End, id: &str, key: &str) -> Vec<String> {
    let log = end.log();
    let of = log.iter().filter(|line| line["request_id"] == id);
    of.filter_map(|line| line[key].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn planted_secrets_are_in_no_channel() {
    let service = leaky().with("RUST_BACKTRACE", "1").serve().await;
    let (address, admin) = (service.addr, service.admin_addr);
    for path in ["/value", "/panic", "/spawn", "/error", "/problem", "/typed", "/search", "/nowhere"] {
        let answer = leaking(address, path, &path[1..]).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        keeps_secrets(path, &answer);
        if matches!(path, "/problem" | "/typed") {
            assert!(answer.contains("postgres://[redacted]@db:5432 refused"), "{answer}");
        }
    }
    let verbose = || async { get(admin, "/readyz?verbose").await.body };
    until("the check has run", || async { verbose().await.contains("[redacted]@db:5432") }).await;
    keeps_secrets("?verbose", &verbose().await);
    keeps_secrets("?verbose", &get(address, "/readyz?verbose").await.body);
    for line in [
        "panics_total{where=\"handler\"} 1",
        "panics_total{where=\"spawned\"} 1",
        "panics_total{where=\"task\"} 2",
        "panics_total{where=\"elsewhere\"} 0",
    ] {
        metric(admin, line).await;
    }
    let metrics = get(admin, "/metrics").await.body;
    // What a program makes a label is shown.
    keeps_secrets("/metrics", &metrics.replace("commit=\"planted-in-a-variable\"", ""));
    leaking(admin, "/nowhere", "admin").await;
    service.signal("TERM");
    service.signal("TERM");
    let end = service.ended().await;
    keeps_secrets("standard error", &end.complained);
    for line in &end.said {
        keeps_secrets("standard output", line);
    }
    // What was looked for was told, all but the secret.
    assert_eq!(told(&end, "panic", "panic"), ["no login with [redacted]"]);
    assert_eq!(told(&end, "panic", "where"), ["handler"]);
    assert!(told(&end, "panic", "backtrace")[0].contains("leaky"), "{end:?}");
    assert_eq!(told(&end, "spawn", "panic"), ["no login with [redacted] and token=[redacted]"]);
    assert_eq!(told(&end, "spawn", "where"), ["spawned"]);
    assert!(told(&end, "value", "text")[0].contains("cannot log in with [redacted]"), "{end:?}");
    let log = end.log();
    let started = log.iter().find(|line| line["message"] == "starting").unwrap();
    assert_eq!(
        (&started["password"], &started["url"]),
        (&"[redacted]".into(), &"https://[redacted]@h/x".into())
    );
    assert!(log.iter().any(|line| line["message"] == "the password is [redacted]"));
    let of_task = log.iter().find(|line| line["where"] == "task").unwrap();
    assert_eq!(of_task["panic"], "no connection with password=[redacted]");
}

/// The other form of the log, and panics that the log leaves out.
#[tokio::test]
async fn planted_secrets_are_in_no_text_for_people_either() {
    for (level, level_is) in [("info", true), ("off", false)] {
        let program = leaky().with("HARDENING_LOG__FORMAT", "pretty").with("HARDENING_LOG__LEVEL", level);
        let program = program.with("HARDENING_SHUTDOWN__HOOKS", "100ms");
        let address = free();
        let service = program.with("HARDENING_HTTP__LISTEN", &address.to_string()).spawn().0;
        until("it serves", || async { crate::client::try_get(address, "/livez").await.is_ok() }).await;
        for path in ["/value", "/panic", "/spawn", "/error"] {
            keeps_secrets(path, &leaking(address, path, "id").await);
        }
        service.signal("INT");
        let end = service.ended().await;
        let said = end.said.join("\n");
        keeps_secrets("standard output", &said);
        keeps_secrets("standard error", &end.complained);
        let told = if level_is { &said } else { &end.complained };
        assert!(told.contains("no login with [redacted]"), "{level}: {end:?}");
        assert!(!level_is || said.contains("url=\"https://[redacted]@h/x\""), "{said}");
    }
}

#[tokio::test]
async fn planted_secrets_are_in_no_answer_of_the_tool_and_in_no_refusal() {
    for operation in ["describe", "check", "probe"] {
        let end = leaky().with("HARDENING", operation).run().await;
        keeps_secrets(operation, &format!("{end:?}"));
    }
    let end = Program::office("failing").run().await;
    end.refused(&["set-up failed: postgres://[redacted]@db:5432 refused"]);
    keeps_secrets("a refusal", &format!("{end:?}"));
    let end = leaky().with("HARDENING_HTTP__BODY_LIMIT", "secret://env/COMMIT").run().await;
    keeps_secrets("a refusal", &format!("{end:?}"));
    assert_eq!(end.code, 1);
}
