//! Files that the service is told to read and should not, and those that let in more people than is meant.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use axum::Router;
use hardening::{Setup, hardened_service};

use super::app::Dependencies;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::child::{Child, main_of};

const NAME: &str = "files::child_main";

#[test]
fn child_main() {
    main_of(NAME, reader);
}

#[hardened_service(name = "reader")]
async fn reader(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    if std::env::var_os("READS_PASSWORD").is_some() {
        let password = setup.secret("password").await.expect("a secret");
        assert!(password.current().is("hunter2-hunter2"));
    }
    Router::new()
}

const PASSWORD: &str = "HARDENING_SECRETS__PASSWORD";

fn reference(path: &str) -> String {
    format!("secret://file{path}")
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_by_its_name_and_not_waited_for() {
    let files = Authority::new();
    let pair = files.server();
    files.install(&pair);
    let at = |name: &str| files.directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key, fifo, folder) = (at("certificate.pem"), at("key.pem"), at("fifo"), at("folder"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::fs::create_dir(&folder).unwrap();
    for (path, kind) in [
        (fifo.as_str(), "a FIFO"),
        ("/dev/zero", "a device"),
        ("/dev/tty", "a device"),
        (&folder, "a directory"),
    ] {
        let secret = reference(path);
        for (name, variables) in [
            ("HARDENING_CONFIG", &[("HARDENING_CONFIG", path)][..]),
            ("HARDENING_ADMIN__TOKEN", &[("HARDENING_ADMIN__TOKEN", &secret)]),
            (PASSWORD, &[(PASSWORD, &secret)]),
            ("[tls] certificate", &[("HARDENING_TLS__CERTIFICATE", path), ("HARDENING_TLS__KEY", &key)]),
            ("[tls] key", &[("HARDENING_TLS__CERTIFICATE", &certificate), ("HARDENING_TLS__KEY", path)]),
            (
                "[tls] client_ca",
                &[
                    ("HARDENING_TLS__CERTIFICATE", &certificate),
                    ("HARDENING_TLS__KEY", &key),
                    ("HARDENING_TLS__CLIENT_CA", path),
                ],
            ),
            ("[auth] api_keys", &[("HARDENING_AUTH__API_KEYS", path)]),
            (
                "[auth] jwks",
                &[
                    ("HARDENING_AUTH__ISSUER", "https://id.example"),
                    ("HARDENING_AUTH__AUDIENCE", "orders"),
                    ("HARDENING_AUTH__JWKS", path),
                ],
            ),
            (
                "[auth] jwks_ca",
                &[
                    ("HARDENING_AUTH__ISSUER", "https://id.example"),
                    ("HARDENING_AUTH__AUDIENCE", "orders"),
                    ("HARDENING_AUTH__JWKS", "https://id.example/keys"),
                    ("HARDENING_AUTH__JWKS_CA", path),
                ],
            ),
        ] {
            let end = Child::run(NAME, variables).await;
            assert_eq!(end.code, Some(1), "{name} {path}: {end:?}");
            let told = end.complained.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
            let named = name == "HARDENING_CONFIG" || told.contains(name);
            assert!(named && told.contains(path), "{name} {path}: {end:?}");
            assert!(told.contains(kind) && told.contains("name a regular file"), "{name} {path}: {told}");
        }
    }
}

#[tokio::test]
async fn a_secret_of_blanks_or_nuls_is_refused() {
    let files = Authority::new();
    for (text, part) in [
        ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "control characters"),
        ("\0\n", "control characters"),
        (" \t \u{a0}\u{2003}", "control characters"),
        ("\u{feff}\u{200b} ", "control characters"),
        ("\n\n", "is empty"),
        ("", "is empty"),
    ] {
        let path = files.file("secret", text);
        let secret = reference(&path);
        for name in [PASSWORD, "HARDENING_ADMIN__TOKEN", "HARDENING_ALERTS__SECRET"] {
            let end = Child::run(NAME, &[(name, &secret)]).await;
            let told = end.complained.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
            assert_eq!(end.code, Some(1), "{name} {text:?}: {end:?}");
            assert!([name, &path, part].iter().all(|part| told.contains(part)), "{name} {text:?}: {told}");
        }
    }
}

/// The warnings of a start with these variables.
async fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let child = Child::start(NAME, variables).await;
    child.terminate().await;
    let end = child.ended().await;
    let warned = end.log.iter().filter(|line| line["level"] == "WARN");
    let told = warned.map(|line| line["message"].as_str().unwrap_or_default().to_owned());
    // Those of other tests' calls, which are in the same program.
    told.filter(|line| !line.starts_with("service-tests/")).collect()
}

fn mode(path: &str, mode: u32) {
    std::fs::set_permissions(Path::new(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn secrets_that_others_may_read_are_warned_of_at_the_start() {
    let files = Authority::new();
    files.install(&files.server());
    let at = |name: &str| files.directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (at("certificate.pem"), at("key.pem"));
    let (password, token) =
        (files.file("password", "hunter2-hunter2"), files.file("token", "correct-horse-battery-staple"));
    let (followed, resolved) = (reference(&password), reference(&token));
    let variables = [
        ("HARDENING_TLS__CERTIFICATE", certificate.as_str()),
        ("HARDENING_TLS__KEY", &key),
        (PASSWORD, &followed),
        ("READS_PASSWORD", "1"),
        ("HARDENING_ADMIN__TOKEN", &resolved),
    ];
    let settings = [("[tls] key", &key), (PASSWORD, &password), ("HARDENING_ADMIN__TOKEN", &token)];
    for (bits, part) in [
        (0o600, None),
        (0o400, None),
        (0o644, Some("may be read by everybody on this machine")),
        (0o604, Some("may be read by everybody on this machine")),
        (0o640, Some("may be read by the group of its owner")),
    ] {
        for (_, path) in &settings {
            mode(path, bits);
        }
        let warned = warnings(&variables).await;
        let Some(part) = part else {
            assert_eq!(warned, Vec::<String>::new(), "{bits:o}");
            continue;
        };
        assert_eq!(warned.len(), 3, "{bits:o}: {warned:#?}");
        for (setting, path) in &settings {
            let parts = [*setting, path.as_str(), part, "chmod 600", "`defaultMode: 0400`"];
            let told = warned.iter().any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(told, "{bits:o} {setting}: {warned:#?}");
        }
    }
    // Who may write a certificate's file decides whom clients speak with.
    for (_, path) in &settings {
        mode(path, 0o600);
    }
    mode(&certificate, 0o646);
    let warned = warnings(&variables).await;
    assert_eq!(warned.len(), 1, "{warned:#?}");
    assert!(
        warned[0].starts_with("[tls] certificate, ")
            && warned[0].contains("written by everybody on this machine"),
        "{warned:#?}"
    );
}

#[tokio::test]
async fn proxies_that_everybody_is_are_warned_of_at_the_start() {
    for (nets, wide) in [
        ("0.0.0.0/0", 1),
        ("::/0", 1),
        ("0.0.0.0/0,::/0", 2),
        ("0.0.0.0/1,128.0.0.0/1", 2),
        ("2000::/3", 1),
        ("10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,203.0.113.7", 0),
    ] {
        let warned = warnings(&[("HARDENING_HTTP__TRUSTED_PROXIES", nets)]).await;
        assert_eq!(warned.len(), wide, "{nets}: {warned:#?}");
        for line in warned {
            assert!(line.contains("trusted_proxies") && line.contains("write the addresses"), "{line}");
        }
    }
}
