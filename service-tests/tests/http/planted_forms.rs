//! Secrets in the forms that other programs write, told in every way that code has.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use hardening::{
    BoxError, Problem, Result, Secret, SecretHandle, SecretProvider, Setup, hardened, hardened_service,
};

use super::app::{Dependencies, Dependency};
use super::receiver::Receiver;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::get as fetch;
use hardening_service_tests::service::until;

const NAME: &str = "planted_forms::child_main";

/// What is in every secret, or is one.
const PLANTED: [&str; 3] = ["planted-", "6629fae49393a05397450978507c4ef1", "pl%61nted-"];

/// Each with one secret.
const FORMS: &[&str] = &[
    "authorization=Bearer planted-a1",
    "authorization=Bearer  planted-a2",
    "Authorization: Bearer\tplanted-a3",
    "sent Bearer\tplanted-a4 to x",
    "sent Bearer  planted-a5 to x",
    "sent Bearer \"planted-a6\" to x",
    r#"Cookie: a="b"; sid=planted-b1"#,
    r#"{"cookie":"a=\"b\"; sid=planted-b2","x":1}"#,
    r#"cookie=a="b"; sid="planted-b3""#,
    r#"Authorization: Digest username="m", response="6629fae49393a05397450978507c4ef1", opaque="x""#,
    r#"authorization=Digest username="m", response="6629fae49393a05397450978507c4ef1""#,
    "Digest username='m', response='6629fae49393a05397450978507c4ef1'",
    "PGPASSWORD=planted-c1 psql",
    "PGPASSWORD='two planted-c2' psql",
    "JSESSIONID=planted-d1; x",
    "/x;jsessionid=planted-d2?y",
    "<password>planted-e1</password>",
    "<Password kind=\"text\">\n planted-e2</Password>",
    "<password><![CDATA[planted-e3]]></password>",
    "&lt;password&gt;planted-e4&lt;/password&gt;",
    "<property name=\"password\" value=\"planted-e5\"/>",
    "password%3Dplanted-f1%26a",
    "%22password%22%3A%22planted-f2%22",
    "Cookie%3A%20a%3D%22b%22%3B%20sid%3Dplanted-f3",
    "Authorization%3A%20Bearer%20planted-f4",
    "p%61ssword=planted-f5",
    "%70%61%73%73%77%6f%72%64%3Dpl%61nted-f6",
    r#"{\"password\":\"planted-g1\"}"#,
    r#"{\\\"token\\\":\\\"planted-g2\\\"}"#,
    r"\u0022token\u0022:\u0022planted-g3\u0022",
    r"line\ntoken=planted-g4",
    r"password\u003dplanted-g5",
    "tool --password planted-h1 run",
    "password: \"secret://planted-h2 && rm\"",
    "token: \"secret://env/X planted-h3\"",
    "CREATE USER a IDENTIFIED BY 'planted-h4'",
    "password:\n planted-i1",
    "password=\nplanted-i2",
    "password == planted-i3",
    "secret[]=planted-i4",
    "/x?secret%5B%5D=planted-i5",
    "password\u{a0}=\u{a0}planted-i6",
    "Digest username=\"m\", nonce=\"n\", response=\"planted-i7\"",
    "https://hooks.slack.com/services/T/B/planted-i8",
    "https://discord.com/api/webhooks/1/planted-i9",
    "https://a.webhook.office.com/webhookb2/a@b/IncomingWebhook/planted-i10/c",
    "fetch //a:planted-i11@h/",
    "mysql -pplanted-i12 shop",
];

/// Answers another value each time.
struct Turning(AtomicU32);

impl SecretProvider for Turning {
    fn scheme(&self) -> &'static str {
        "turning"
    }

    async fn fetch(&self, _: &str) -> std::result::Result<Secret<String>, BoxError> {
        Ok(format!("value-number-{}-of-many", self.0.fetch_add(1, Ordering::Relaxed)).into())
    }

    fn every(&self) -> Duration {
        Duration::from_millis(10)
    }
}

#[hardened_service(name = "forms")]
async fn forms(setup: &mut Setup) -> Result<Router> {
    let all: &'static str = FORMS.join("\n").leak();
    setup.provide(Dependencies { shared: Dependency::Fails(all), ..Dependencies::default() });
    setup.secret_provider(Turning(AtomicU32::new(0)))?;
    setup.secret("turning").await?;
    let still = setup.secret("still").await?;
    Ok(Router::new()
        .route("/told/{form}", get(told))
        .route("/error/{form}", get(failed))
        .route(
            "/problem/{form}",
            get(async |Path(form): Path<usize>| Problem::validation().detail(FORMS[form])),
        )
        .route("/panic/{form}", get(panics))
        .route("/value", get(value))
        .with_state(still))
}

async fn told(Path(form): Path<usize>) -> &'static str {
    let error: BoxError = FORMS[form].into();
    tracing::warn!(what = FORMS[form], error = &*error, debug = ?FORMS[form], "{}", FORMS[form]);
    inside(FORMS[form]).await;
    "told"
}

#[hardened(span_fields(what))]
async fn inside(what: &str) {
    tracing::error!(what, "inside");
}

async fn failed(Path(form): Path<usize>) -> std::result::Result<(), (StatusCode, String)> {
    Err((StatusCode::INTERNAL_SERVER_ERROR, FORMS[form].to_owned()))
}

async fn panics(Path(form): Path<usize>) -> &'static str {
    panic!("{}", FORMS[form])
}

async fn value(State(still): State<SecretHandle>) -> String {
    tracing::warn!("logged in with {}", still.current().expose());
    "told".to_owned()
}

#[test]
fn child_main() {
    main_of(NAME, forms);
}

const VALUE: &str = "correct horse battery staple";

/// A child, with a file for its secret that is kept while it runs.
async fn started(more: &[(&str, &str)]) -> (Child, Authority) {
    let files = Authority::new();
    let still = format!("secret://file{}", files.file("still", VALUE));
    let variables = [
        ("HARDENING_SECRETS__STILL", still.as_str()),
        ("HARDENING_SECRETS__TURNING", "secret://turning/x"),
        ("HARDENING_LOG__LEVEL", "trace"),
    ];
    let variables: Vec<(&str, &str)> = variables.into_iter().chain(more.iter().copied()).collect();
    (Child::start(NAME, &variables).await, files)
}

#[track_caller]
fn keeps(channel: &str, text: &str) {
    for secret in PLANTED {
        let at = text.find(secret);
        let around =
            at.map(|at| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200)..]).into_owned());
        let around = around.map(|text| text.chars().take(260).collect::<String>());
        assert_eq!(around, None, "{channel} tells {secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_in_any_form_are_in_no_channel() {
    for format in ["json", "pretty"] {
        let receiver = Receiver::start(&[]).await;
        let (child, _files) = started(&[
            ("HARDENING_LOG__FORMAT", format),
            ("HARDENING_TELEMETRY__OTLP_ENDPOINT", &receiver.url()),
            ("HARDENING_TELEMETRY__EXPORT_EVERY", "20ms"),
            ("HARDENING_TELEMETRY__LEVEL", "trace"),
        ])
        .await;
        let mut answers = String::new();
        for form in 0..FORMS.len() {
            for way in ["told", "error", "problem", "panic"] {
                let answer = fetch(child.addr, &format!("/{way}/{form}")).await;
                let _ = writeln!(answers, "{way} {form}: {answer:?}");
            }
        }
        keeps("an answer", &answers);
        assert!(answers.contains("tool --password [redacted] run"), "{answers}");
        until("the check has run", || async {
            fetch(child.admin_addr, "/readyz?verbose").await.body.contains("[redacted]")
        })
        .await;
        for path in ["/readyz?verbose", "/console/api/state", "/console/api/configuration", "/metrics"] {
            let reply = fetch(child.admin_addr, path).await;
            assert_eq!(reply.status, 200, "{path}");
            keeps(path, &format!("{reply:?}"));
        }
        let last = format!("/panic/{}", FORMS.len() - 1);
        until("spans have come", || async { receiver.received().raw.contains(&last) }).await;
        child.terminate().await;
        let end = child.ended().await;
        let received = receiver.received();
        let spans = format!("{:?} {}", received.spans, received.raw);
        for (channel, text) in
            [("a span", &spans), ("standard output", &end.said), ("standard error", &end.complained)]
        {
            keeps(channel, text);
        }
        for text in [&spans, &end.said] {
            assert!(text.contains("tool --password [redacted] run"), "{format}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_force_is_known_after_many_others() {
    let (child, _files) = started(&[]).await;
    let changes = || async {
        let metrics = fetch(child.admin_addr, "/metrics").await.body;
        let line = metrics.lines().find(|line| {
            line.contains("secret_reload_total") && line.contains("turning") && line.contains("\"changed\"")
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    until("a hundred others came", || async { changes().await > 100.0 }).await;
    assert_eq!(fetch(child.addr, "/value").await.status, 200);
    child.terminate().await;
    let end = child.ended().await;
    assert!(end.said.contains("logged in with [redacted]"), "{end:?}");
    assert!(!end.said.contains(VALUE), "{end:?}");
}

#[tokio::test]
async fn our_own_messages_keep_their_words() {
    let end = Child::run(NAME, &[("HARDENING_ADMIN__TOKEN", "${ADM}")]).await;
    assert!(end.complained.contains("the environment has no `ADM`"), "{end:?}");
    assert!(!end.complained.contains("[redacted]"), "{end:?}");
    let end = Child::run(NAME, &[("HARDENING_SECRETS__STILL", "planted-itself")]).await;
    assert!(end.complained.contains("secret://") && !end.complained.contains("[redacted]"), "{end:?}");
    keeps("a refusal", &end.complained);
}
