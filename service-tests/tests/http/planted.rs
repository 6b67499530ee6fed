//! Secrets planted wherever any part meets them, and looked for in every channel that tells something.

use std::fmt::Write as _;

use serde_json::json;
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::alerts::Listener;
use super::grpc_app::channel;
use super::identity::gate::entry;
use super::identity::issuer::{ISSUER, Signer, claims};
use super::planted_app::leaky;
use super::receiver::Receiver;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::child::{Child, End, main_of};
use hardening_service_tests::client::{ask, get, request};
use hardening_service_tests::prices::{PricesClient, text};
use hardening_service_tests::service::until;

const NAME: &str = "planted::child_main";

/// What every planted secret has in it.
const PLANTED: &str = "planted-";
/// A secret that nothing but its value gives away.
const VALUE: &str = "correct horse planted-in-a-file";
const ADMIN_TOKEN: &str = "planted-as-the-admin-token";
const WRONG_TOKEN: &str = "planted-as-a-wrong-admin-token";
const KEY: &str = "planted-as-a-key-0123456789abcdef";

#[test]
fn child_main() {
    main_of(NAME, leaky);
}

/// The service's surroundings: who is told of errors, who takes its traces, who signs its callers' tokens.
struct Around {
    told: Listener,
    receiver: Receiver,
    tokens: Vec<String>,
    /// Kept while the service runs.
    _files: Authority,
    variables: Vec<(&'static str, String)>,
}

impl Around {
    async fn new() -> Self {
        let (told, receiver) = (Listener::start(&[]).await, Receiver::start(&[]).await);
        let (files, signer) = (Authority::new(), Signer::ec("a"));
        let good = signer.sign(&claims(&json!({ "planted": "a claim" })));
        let late = signer.sign(&claims(&json!({ "exp": 1 })));
        let webhook = |kind: &str| format!("http://{}/{kind}/planted-in-a-webhook", told.addr);
        let variables = vec![
            ("HARDENING_ADMIN__TOKEN", ADMIN_TOKEN.to_owned()),
            ("HARDENING_ALERTS__SLACK", webhook("slack")),
            ("HARDENING_ALERTS__DISCORD", webhook("discord")),
            ("HARDENING_ALERTS__JSON", webhook("json")),
            ("HARDENING_ALERTS__SECRET", "planted-as-a-signing-key".to_owned()),
            ("HARDENING_ALERTS__ERRORS", "1".to_owned()),
            ("HARDENING_ALERTS__EVERY", "1ms".to_owned()),
            ("HARDENING_AUTH__API_KEYS", files.file("callers.toml", &entry("till", KEY, ""))),
            ("HARDENING_AUTH__ISSUER", ISSUER.to_owned()),
            ("HARDENING_AUTH__AUDIENCE", "orders".to_owned()),
            (
                "HARDENING_AUTH__JWKS",
                files.file("keys.json", &json!({ "keys": [signer.public()] }).to_string()),
            ),
            ("HARDENING_TELEMETRY__OTLP_ENDPOINT", receiver.url()),
            (
                "HARDENING_TELEMETRY__OTLP_HEADERS",
                "authorization=Bearer%20planted-in-a-field-of-otlp".to_owned(),
            ),
            ("HARDENING_TELEMETRY__EXPORT_EVERY", "20ms".to_owned()),
            ("HARDENING_TELEMETRY__LEVEL", "trace".to_owned()),
            (
                "HARDENING_SECRETS__DB_PASSWORD",
                format!("secret://file{}", files.file("password", &format!("{VALUE}\n"))),
            ),
            ("HARDENING_SERVICE__COMMIT", "secret://env/COMMIT".to_owned()),
            ("COMMIT", "planted-in-a-variable".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
        ];
        Self { told, receiver, tokens: vec![good, late], _files: files, variables }
    }

    fn with<'v>(&'v self, more: &[(&'v str, &'v str)]) -> Vec<(&'v str, &'v str)> {
        let variables = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        variables.chain(more.iter().copied()).collect()
    }

    /// Fails where the channel tells a secret.
    #[track_caller]
    fn keeps(&self, channel: &str, text: &str) {
        let parts = self.tokens.iter().flat_map(|token| token.split('.').skip(1));
        for secret in [PLANTED].into_iter().chain(parts) {
            let at = text.find(secret);
            let around =
                at.map(|at| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(300)..]).into_owned());
            let around = around.map(|text| text.chars().take(400).collect::<String>());
            assert_eq!(around, None, "{channel} tells {secret}");
        }
    }

    /// Answers of every route to callers with every kind of credential.
    async fn answers(&self, child: &Child) -> String {
        let mut answers = String::new();
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        for credential in [
            ("x-nothing", String::new()),
            ("x-api-key", KEY.to_owned()),
            ("x-api-key", "planted-as-a-wrong-key-0123456789".to_owned()),
            ("authorization", "Basic planted-as-a-password".to_owned()),
            bearer(&self.tokens[0]),
            bearer(&self.tokens[1]),
        ] {
            let fields = [
                (credential.0, credential.1.as_str()),
                ("cookie", "session=planted-in-a-cookie"),
                ("user-agent", "bot/1 (token=planted-in-an-agent)"),
                ("content-type", "application/json"),
                ("tracestate", "vendor=1"),
            ];
            for (method, path, body) in [
                ("GET", "/call", ""),
                ("GET", "/value", ""),
                ("GET", "/panic", ""),
                ("GET", "/spawned", ""),
                ("GET", "/warned", ""),
                ("GET", "/asked", ""),
                ("GET", "/rescued", ""),
                ("GET", "/error", ""),
                ("GET", "/problem", ""),
                ("GET", "/required", ""),
                ("GET", "/nowhere", ""),
                ("GET", "/search", ""),
                ("POST", "/orders", r#"{"password":"planted-in-a-body","access_token":1}"#),
                ("POST", "/orders", r#"{"password":"x","access_token":"planted-in-a-number"}"#),
                ("POST", "/orders", r#"{"password":planted-in-no-json"#),
            ] {
                let target = format!("{path}?token=planted-in-a-query");
                let reply = ask(child.addr, request(method, &target, &fields, body)).await;
                let _ = writeln!(answers, "{method} {path}: {reply:?}");
            }
        }
        answers
    }

    /// Statuses of every kind, with their messages, details and metadata.
    async fn statuses(&self, child: &Child) -> String {
        let mut client = PricesClient::new(channel(child.addr));
        let mut statuses = String::new();
        for credential in ["", KEY, "planted-as-a-wrong-key-of-grpc"] {
            let asked = |script: &str| {
                let mut request = Request::new(text(script));
                if !credential.is_empty() {
                    request.metadata_mut().insert("x-api-key", MetadataValue::try_from(credential).unwrap());
                }
                request
            };
            for script in ["panic", "value", "details", "status"] {
                let status = client.quote(asked(script)).await.unwrap_err();
                let _ = writeln!(statuses, "{script}: {status:?} {}", status.details().escape_ascii());
            }
            for script in ["ends", "panic"] {
                let status = match client.feed(asked(script)).await {
                    Err(status) => status,
                    Ok(answer) => {
                        let mut stream = answer.into_inner();
                        loop {
                            match stream.message().await {
                                Ok(message) => assert!(message.is_some(), "it ends with a status"),
                                Err(status) => break status,
                            }
                        }
                    }
                };
                let _ = writeln!(statuses, "stream {script}: {status:?}");
            }
        }
        statuses
    }

    /// Everything that the admin listener answers, to who has the token, to who has none, and to who has a wrong one.
    async fn administration(child: &Child) -> String {
        let mut answers = String::new();
        let host = child.admin_addr.to_string();
        for token in ["", ADMIN_TOKEN, WRONG_TOKEN] {
            let bearer = format!("Bearer {token}");
            let mut fields = vec![("host", host.as_str()), ("content-type", "application/json")];
            if !token.is_empty() {
                fields.push(("authorization", &bearer));
            }
            let set = r#"{"path":["call","planted_app::call","retry","attempts"],"value":3}"#;
            for (method, path, body) in [
                ("GET", "/console", ""),
                ("GET", "/console/api/state", ""),
                ("GET", "/console/api/configuration", ""),
                ("POST", "/console/api/actions/verify", "{}"),
                ("POST", "/console/api/actions/set", set),
                ("POST", "/console/api/actions/reset", r#"{"circuit":"nowhere"}"#),
                ("POST", "/console/api/actions/set", r#"{"path":["alerts","secret"],"value":"planted-set"}"#),
                ("GET", "/metrics", ""),
                ("GET", "/readyz?verbose&token=planted-in-a-query", ""),
                ("GET", "/nowhere?token=planted-in-a-query", ""),
            ] {
                let asked = request(method, path, &fields, body).replacen("host: localhost\r\n", "", 1);
                let reply = ask(child.admin_addr, asked).await;
                let shown = path.split('?').next().unwrap_or(path);
                let _ = writeln!(answers, "{method} {shown}: {reply:?}");
            }
        }
        answers
    }
}

async fn stopped(child: Child) -> End {
    child.terminate().await;
    child.ended().await
}

/// What a program makes a label, or its version, is shown.
fn without_commit(text: &str) -> String {
    text.replace("commit=\"planted-in-a-variable\"", "").replace("commit=\\\"planted-in-a-variable\\\"", "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_are_in_no_channel_of_any_part() {
    for (format, level) in [("json", "trace"), ("json", "info"), ("pretty", "debug")] {
        let around = Around::new().await;
        let log = [("HARDENING_LOG__FORMAT", format), ("HARDENING_LOG__LEVEL", level)];
        let child = Child::start(NAME, &around.with(&log)).await;
        let verbose = || async { get(child.admin_addr, "/readyz?verbose").await.body };
        until("the check has run", || async { verbose().await.contains("[redacted]@db:5432") }).await;

        let answers = around.answers(&child).await;
        around.keeps("an answer", &answers);
        assert!(answers.contains("postgres://[redacted]@db:5432 refused"), "{answers}");
        let statuses = around.statuses(&child).await;
        around.keeps("a status of gRPC", &statuses);
        for told in ["cannot log in with [redacted]", "postgres://[redacted]@db:5432 refused"] {
            assert!(statuses.contains(told), "{statuses}");
        }
        let administration = Around::administration(&child).await;
        assert!(administration.contains("verify") && administration.contains("admin_actions_total"));
        around.keeps("the admin listener", &without_commit(&administration));

        let told = |of: &str| !around.told.of(of).is_empty();
        until("errors are told", || async { told("route /panic") && told("planted_app::call") }).await;
        until("spans have come", || async { around.receiver.received().raw.contains("shop.v1.Prices/Feed") })
            .await;
        let end = stopped(child).await;
        assert_eq!(end.code, Some(0), "{end:?}");

        for delivery in around.told.of("") {
            around.keeps("an alert", &String::from_utf8_lossy(&delivery.body));
            around.keeps("the head of an alert", &format!("{:?}", delivery.fields));
        }
        let received = around.receiver.received();
        let spans = format!("{:?} {:?} {}", received.spans, received.resources, received.raw);
        assert!(spans.contains("cannot log in with [redacted]"), "an event with the secret is there");
        around.keeps("an exported span", &spans);

        around.keeps("standard output", &end.said);
        around.keeps("standard error", &end.complained);
        for told in ["cannot log in with [redacted]", "admin action", "postgres://[redacted]@db:5432"] {
            assert!(end.said.contains(told), "{format} {level}: no {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_are_not_in_what_the_tool_prints() {
    let around = Around::new().await;
    for (operation, more) in
        [("describe", ""), ("check", ""), ("probe", ""), ("describe", "0"), ("check", "0")]
    {
        // A configuration that is refused is told of too.
        let broken = ("HARDENING_HTTP__BODY_LIMIT", "secret://env/COMMIT");
        let broken = if more.is_empty() { ("HARDENING", operation) } else { broken };
        let end = Child::run(NAME, &around.with(&[("HARDENING", operation), broken])).await;
        assert!(!end.said.is_empty() || !end.complained.is_empty(), "{operation}: {end:?}");
        around.keeps(operation, &format!("{end:?}"));
    }
}

/// Whatever is wrong with a setting that holds a secret, its refusal names the setting.
#[tokio::test]
async fn planted_secrets_are_in_no_refusal_of_a_start() {
    let files = Authority::new();
    let keys = files.file("no-keys.json", "planted-in-no-json");
    let file = |name: &str, text: &str| format!("[auth]\napi_keys = {:?}", files.file(name, text));
    let digest = "a".repeat(64);
    let cases = [
        "[admin]\ntoken = 'planted-'".to_owned(),
        "[admin]\ntoken = ['planted-in-a-list']".to_owned(),
        "[admin]\ntoken = { of = 'planted-in-a-table' }".to_owned(),
        "[admin]\ntoken = 'planted-unterminated".to_owned(),
        "[admin]\ntoken = planted-unquoted".to_owned(),
        "[admin]\ntokn = 'planted-under-another-name'".to_owned(),
        "[alerts]\nslack = ['planted-is-no-url']".to_owned(),
        "[alerts]\nslack = 'http://u:planted-in-a-url@h/'".to_owned(),
        "[alerts]\njson = ['http://h/planted-without-a-secret']".to_owned(),
        "[alerts]\njson = ['http://h/x']\nsecret = 'whsec_planted-is-no-base-64'".to_owned(),
        "[alerts]\nsecret = ['planted-in-a-list']".to_owned(),
        "[telemetry]\notlp_headers = 'planted-without-a-name'".to_owned(),
        "[telemetry]\notlp_headers = 'a b=planted-under-no-name'".to_owned(),
        "[telemetry]\notlp_headers = ['planted-in-a-list']".to_owned(),
        "[telemetry]\notlp_headers = 'a=planted-%zz'".to_owned(),
        "[telemetry]\notlp_endpoint = 'http://u:planted-in-a-url@h/'".to_owned(),
        "[auth]\nissuer = 'i'\naudience = ['a']\njwks = 'https://u:planted-in-a-url@h/keys'".to_owned(),
        format!("[auth]\nissuer = 'i'\naudience = ['a']\njwks = {keys:?}"),
        file("a.toml", "[[key]]\nid = 'a'\nsha256 = 'planted-is-no-digest'"),
        file("b.toml", "[[key]]\nid = 'a'\nkey = 'planted-itself'"),
        file("c.toml", "[[key]]\nid = 'a'\nsha256 = 'planted-unterminated"),
        file(
            "d.toml",
            &format!("[[key]]\nid = 'a'\nsha256 = '{digest}'\nscopes = 'planted-of-another-kind'"),
        ),
        "[secrets]\ndb_password = 'planted-itself'".to_owned(),
        "[secrets]\ndb_password = 5".to_owned(),
        "[secrets.db_password]\nof = 'planted-in-a-table'".to_owned(),
    ];
    for settings in cases {
        let Err(error) = leaky().with_settings(&settings).start().await else {
            panic!("it began: {settings}")
        };
        let told = format!("{error} {error:?}");
        assert!(!told.contains(PLANTED), "{settings}: {told}");
    }
}
