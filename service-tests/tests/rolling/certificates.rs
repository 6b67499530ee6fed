//! Certificates that are exchanged every second under load.

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::service::{scrape, until, value};
use tokio::time::{Duration, sleep};

use crate::load::{Load, Target};

const EXCHANGES: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_exchanged_every_second_loses_no_request() {
    let authority = Authority::new();
    let settings = format!("[http]\nrate_limit = 'none'\n{}", authority.install(&authority.server()));
    let running = crate::app::service().with_settings(settings).start().await.unwrap();
    let tls = Some(authority.plain_config());
    let load = Load::start(&Target { addr: running.addr, tls, requests_per_connection: 7 });
    for exchange in 1..=EXCHANGES {
        sleep(Duration::from_secs(1)).await;
        authority.install(&authority.server());
        assert_eq!(load.failures(), Vec::<String>::new(), "after {exchange} exchanges");
    }
    let done = || async {
        let reloads = value(&scrape(&running).await, r#"tls_certificate_reloads_total{result="applied"}"#);
        reloads.is_some_and(|reloads| reloads >= f64::from(EXCHANGES) / 2.0)
    };
    until("the certificates are exchanged", done).await;
    let tally = load.end().await;
    let refused = value(&scrape(&running).await, r#"tls_certificate_reloads_total{result="refused"}"#);
    assert_eq!(refused, Some(0.0), "no pair was seen half-written");
    println!(
        "{EXCHANGES} exchanges: {} requests, {} of them gRPC, over {} connections",
        tally.took.len(),
        tally.calls,
        tally.connections
    );
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(tally.took.len() > EXCHANGES as usize * 150, "too little load: {}", tally.took.len());
    assert!(tally.calls > EXCHANGES as usize * 45, "too few calls of gRPC: {}", tally.calls);
    assert!(tally.connections > EXCHANGES * 10, "connections were renewed: {}", tally.connections);
}
