//! Settings that stop the start, each as one line that says what to write.

use super::child::output;
use super::ports::free;

/// A settings file in a directory of its own, gone when dropped.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hardening-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Asserts that the start is refused with one line that holds all of `parts`.
fn refused(variables: &[(&str, &str)], parts: &[&str]) {
    let (code, said, error) = output("tested", variables);
    assert_eq!(code, 1, "{variables:?}: {said} {error}");
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 1, "{variables:?}: {error}");
    assert!(lines[0].starts_with("error: "), "{error}");
    for part in parts {
        assert!(lines[0].contains(part), "{part:?} is not in {error}");
    }
    assert!(!said.contains("serving"), "{said}");
}

#[test]
fn unknown_names_are_refused_with_file_line_and_the_nearest() {
    for (name, text, parts) in [
        ("section", "\n[htpp]\nlisten = '127.0.0.1:0'\n", &[":3:", "`htpp`", "did you mean `http`?"][..]),
        ("key", "[http]\nbody_limti = '1MiB'\n", &[":2:", "[http]", "did you mean `body_limit`?"]),
        ("call", "[call.'app::prise'.retry]\nattempts = 5\n", &[":2:", "did you mean `app::price`?"]),
        ("policy", "[call.'app::price'.retyr]\nattempts = 5\n", &[":2:", "did you mean `retry`?"]),
        ("call-key", "[call.'app::price'.retry]\nattempst = 5\n", &[":2:", "did you mean `attempts`?"]),
        (
            "undeclared",
            "[call.'app::price'.bulkhead]\nmax = 5\n",
            &[":2:", "has no `bulkhead`", "#[bulkhead(max = 10)]"],
        ),
        ("evidence", "[call.'app::price'.retry]\nidempotent = false\n", &[":2:", "at the attribute"]),
    ] {
        let file = File::new(name, text);
        let mut parts = parts.to_vec();
        parts.push(file.path());
        refused(&[("HARDENING_CONFIG", file.path())], &parts);
    }
}

#[test]
fn bad_values_are_refused_with_the_allowed_form() {
    for (name, text, parts) in [
        ("duration", "[http]\nbody_timeout = '10'\n", &[":2:", "`10s`", "`10ms`", "`250ms`"][2..]),
        ("type", "[http]\nconnections = 'many'\n", &[":2:", "a whole number of at least 1"]),
        ("address", "[http]\nlisten = '8080'\n", &[":2:", "`127.0.0.1:8080`"]),
        ("choice", "[log]\nformat = 'xml'\n", &[":2:", "`auto`, `json` or `pretty`"]),
        ("rule", "[call.'app::price'.timeout]\nafter = '5s'\n", &[":2:", "app::price", "5s"]),
        (
            "sum",
            "[shutdown]\npre_drain = '20s'\n",
            &["pre_drain 20s", "drain 15s", "hooks 5s", "= 41s", "grace 30s"],
        ),
        ("reference", "[service]\nname = '${NOT_THERE}'\n", &[":2:", "`NOT_THERE`"]),
        ("toml", "[http\n", &[":1:", "TOML"]),
    ] {
        let file = File::new(name, text);
        refused(&[("HARDENING_CONFIG", file.path())], parts);
    }
}

#[test]
fn the_environment_is_held_to_the_same_rules() {
    for (name, value, parts) in [
        ("HARDENING_HTTP__BODY_LIMTI", "1MiB", &["did you mean `body_limit`?"][..]),
        ("HARDENING_HTPP__LISTEN", "127.0.0.1:0", &["HARDENING_HTTP__LISTEN"]),
        ("HARDENING_CALL__APP_PRICE__RETRY__ATTEMPTS", "0", &["at least 1"]),
        ("HARDENING_CALL__APP_PRISE__RETRY__ATTEMPTS", "2", &["HARDENING_CALL__APP_PRICE__"]),
        ("HARDENING_CONFIG", "/does/not/exist.toml", &["/does/not/exist.toml", "cannot be read"]),
        ("HARDENING", "descibe", &["did you mean `describe`?"]),
    ] {
        let mut parts = parts.to_vec();
        parts.push(name.split("CONFIG").next().unwrap_or(name));
        refused(&[(name, value)], if name == "HARDENING_CONFIG" { &parts[..2] } else { &parts });
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let file = File::new("several", "[http]\nlisen = 'x'\nconnections = 0\n[log]\nformat = 'xml'\n");
    let (code, _, error) = output("tested", &[("HARDENING_CONFIG", file.path())]);
    assert_eq!((code, error.lines().count()), (1, 3), "{error}");
    for line in [":2:", ":3:", ":5:"] {
        assert!(error.contains(line), "{error}");
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (held, free) = (held.local_addr().unwrap().to_string(), free().to_string());
    let text = format!("cannot listen on {held}");
    refused(
        &[("HARDENING_HTTP__LISTEN", &held), ("HARDENING_HTTP__ADMIN", &free)],
        &[&text, "in use", "http.listen"],
    );
    refused(
        &[("HARDENING_HTTP__LISTEN", &free), ("HARDENING_HTTP__ADMIN", &held)],
        &[&text, "in use", "http.admin"],
    );
}

#[test]
fn what_a_cluster_injects_is_left_alone_and_files_and_variables_count() {
    let file = File::new("valid", "[call.'app::price'.retry]\nattempts = 5\n[http]\nconnections = 9\n");
    let (code, said, error) = output(
        "tested",
        &[
            ("HARDENING", "describe"),
            ("HARDENING_CONFIG", file.path()),
            ("HARDENING_SERVICE_HOST", "10.0.0.1"),
            ("HARDENING_SERVICE_PORT", "80"),
            ("HARDENING_CALL__APP_PRICE__TIMEOUT__AFTER", "150ms"),
            ("HARDENING_HTTP__CONNECTIONS", "11"),
            ("HARDENING_SERVICE__COMMIT", "secret://env/REVISION"),
            ("REVISION", "hunter2"),
        ],
    );
    assert_eq!(code, 0, "{error}");
    let manifest: serde_json::Value =
        serde_json::from_str(&said[said.find('{').unwrap()..=said.rfind('}').unwrap()]).unwrap();
    let price =
        manifest["calls"].as_array().unwrap().iter().find(|call| call["name"] == "app::price").unwrap();
    assert_eq!(price["declared"]["retry"]["attempts"], 3);
    assert_eq!(price["effective"]["retry"]["attempts"], 5);
    assert_eq!(price["effective"]["timeout"]["after"], "150ms");
    let settings = manifest["settings"].as_array().unwrap();
    let connections = settings.iter().find(|setting| setting["key"] == "connections").unwrap();
    assert_eq!((&connections["value"], &connections["default"]), (&"11".into(), &"10000".into()));
    let commit = settings.iter().find(|setting| setting["key"] == "commit").unwrap();
    assert_eq!(commit["value"], "[redacted]");
    assert!(!said.contains("hunter2"), "{said}");
}
