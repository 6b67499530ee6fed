//! Clients that show a certificate.

use hardening::Running;
use rcgen::SanType;
use rustls::version::{TLS12, TLS13};

use super::support::start;
use hardening_service_tests::certificates::{Authority, Pair, connect};
use hardening_service_tests::client::{Client, request};

/// Who the service says is calling; `None` when it turns the client away.
async fn whoami(running: &Running, authority: &Authority, pair: Option<&Pair>) -> Option<String> {
    let mut names = Vec::new();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let config = authority.config(pair, versions, &["http/1.1"]);
        let name = match connect(running.addr, &config).await {
            Err(_) => None,
            Ok(stream) => {
                let mut client = Client::over(stream);
                // Under TLS 1.3 a client learns of its refusal with the first answer.
                client.sent(request("GET", "/whoami", &[("connection", "close")], "")).await;
                let answer = client.rest().await;
                answer.rsplit_once("\r\n\r\n").map(|(_, body)| body.to_owned())
            }
        };
        names.push(name);
    }
    assert_eq!(names[0], names[1], "both versions of TLS agree");
    names.remove(0)
}

#[tokio::test]
async fn a_client_is_whom_its_certificate_names() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let roots = authority.file("clients.pem", &authority.pem());
    let settings = format!("{}client_ca = {roots:?}\n", authority.install(&authority.server()));
    let running = start(&settings).await;
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
    for (common, names, principal) in [
        ("till", vec![], "till"),
        ("till", vec![dns("till.shop.example")], "till.shop.example"),
        (
            "till",
            vec![dns("till.shop.example"), uri("spiffe://shop.example/till")],
            "spiffe://shop.example/till",
        ),
    ] {
        let pair = authority.client(common, &names);
        assert_eq!(whoami(&running, &authority, Some(&pair)).await.as_deref(), Some(principal));
    }
    // Names that could be taken for nobody's, or for those of others, are nobody's.
    let long = format!("spiffe://shop.example/{}", "x".repeat(5000));
    for (common, names) in [
        ("-", vec![]),
        ("a\nb\u{1b}[31m", vec![]),
        ("\u{202e}llit", vec![]),
        ("till ", vec![]),
        ("till", vec![uri(&long)]),
    ] {
        let pair = authority.client(common, &names);
        assert_eq!(whoami(&running, &authority, Some(&pair)).await.as_deref(), Some("-"), "{common:?}");
    }
    assert_eq!(whoami(&running, &authority, None).await, None, "without a certificate");
    let foreign = stranger.client("till", &[]);
    assert_eq!(whoami(&running, &authority, Some(&foreign)).await, None, "of an unknown authority");
    let server = authority.server();
    let as_client = whoami(&running, &authority, Some(&server)).await;
    assert!(as_client.is_none_or(|name| name == "localhost"), "a certificate without a purpose serves any");
}

#[tokio::test]
async fn a_client_without_one_may_be_nobody() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let roots = authority.file("clients.pem", &authority.pem());
    let server = authority.install(&authority.server());
    let running = start(&format!("{server}client_ca = {roots:?}\nclient_auth = 'optional'\n")).await;
    assert_eq!(whoami(&running, &authority, None).await.as_deref(), Some("-"));
    let till = authority.client("till", &[]);
    assert_eq!(whoami(&running, &authority, Some(&till)).await.as_deref(), Some("till"));
    let foreign = stranger.client("till", &[]);
    assert_eq!(whoami(&running, &authority, Some(&foreign)).await, None, "a wrong one is not none");
}
