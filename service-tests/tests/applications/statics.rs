//! Files and page applications.

use hardening_service_tests::client::{self, Client, request};
use hardening_service_tests::service::{scrape, value};

use super::app::pages;
use super::support::start;

#[tokio::test]
async fn files_have_the_name_of_their_mount() {
    let (running, _) = start("").await;
    for path in ["/files/Cargo.toml", "/files/src/lib.rs", "/files/nothing"] {
        client::get(running.addr, path).await;
    }
    let metrics = scrape(&running).await;
    let count = |status: u16| {
        let series = format!("http_requests_total{{method=\"GET\",route=\"/files/*\",status=\"{status}\"}}");
        value(&metrics, &series)
    };
    assert_eq!((count(200), count(404)), (Some(2.0), Some(1.0)), "{metrics}");
    let ranged = client::get_with(running.addr, "/files/Cargo.toml", &[("range", "bytes=0-8")]).await;
    assert_eq!((ranged.status, ranged.body.as_str()), (206, "[package]"));
}

#[tokio::test]
async fn a_mount_has_limits_of_its_own() {
    let (running, _) =
        start("[http]\nrate_limit = '3/min'\n[route.'/files/*']\nrate_limit = '100/min'").await;
    let mut client = Client::connect(running.addr).await;
    for number in 0..50 {
        client.send(request("GET", "/files/Cargo.toml", &[], "")).await;
        assert_eq!(client.reply().await.status, 200, "{number}");
    }
    for number in 0..4 {
        client.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(client.reply().await.status, if number < 3 { 200 } else { 429 });
    }
}

#[tokio::test]
async fn a_page_application_is_one_route() {
    let running = pages()
        .with_settings("[log]\naccess = false")
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    for path in ["/lib.rs", "/orders/7", "/deep/er"] {
        assert_eq!(client::get(running.addr, path).await.status, 200, "{path}");
    }
    let metrics = scrape(&running).await;
    let served = "http_requests_total{method=\"GET\",route=\"/*\",status=\"200\"}";
    assert_eq!(value(&metrics, served), Some(3.0), "{metrics}");
}
