//! Shutdown hooks: their order, their bounds, and what becomes of those that fail or hang.

use hardening::Report;
use tokio::time::Instant;

use crate::app::{Deed, Hooks};
use crate::support::{start_with, took};

async fn end(hooks: Hooks, settings: &str) -> (Report, Vec<String>) {
    let (service, ran) = start_with(hooks, settings).await.unwrap_or_else(|error| panic!("{error}"));
    let report = service.shutdown().await;
    let ran = ran.lock().unwrap().clone();
    (report, ran)
}

#[tokio::test]
async fn hooks_run_one_after_the_other_the_last_registered_first() {
    let hooks = &[("pool", Deed::Takes(0)), ("consumer", Deed::Takes(50)), ("registry", Deed::Takes(20))];
    let (report, ran) = end(hooks, "").await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        ran,
        ["registry begins", "registry ends", "consumer begins", "consumer ends", "pool begins", "pool ends"]
    );
}

#[tokio::test]
async fn a_hook_that_fails_or_panics_is_named_and_the_others_run() {
    let hooks = &[("pool", Deed::Takes(0)), ("flush", Deed::Fails), ("head", Deed::Panics)];
    let (report, ran) = end(hooks, "").await;
    assert_eq!(ran, ["head begins", "flush begins", "pool begins", "pool ends"]);
    assert_eq!(report.still_running, Vec::<String>::new());
    let mut failed = report.failed;
    failed.sort();
    assert_eq!(failed, ["hook flush: the disk is full", "hook head: panicked: lost its head"]);
}

/// Two parts of a program may both have something to flush.
#[tokio::test]
async fn a_failure_is_not_hidden_by_another_hook_of_its_name() {
    let (report, ran) = end(&[("flush", Deed::Takes(0)), ("flush", Deed::Fails)], "").await;
    assert_eq!(ran, ["flush begins", "flush begins", "flush ends"]);
    assert_eq!(report.failed, ["hook flush: the disk is full"]);
    assert!(!report.is_clean());
}

#[tokio::test]
async fn i_65_each_hook_is_bounded_so_that_one_that_hangs_takes_no_turn_from_the_others() {
    let began = Instant::now();
    let hooks = &[("pool", Deed::Takes(10)), ("flush", Deed::Hangs), ("registry", Deed::Takes(10))];
    let (report, ran) = end(hooks, "shutdown.hooks = '600ms'").await;
    took(began, 200, 1200);
    let expected = ["registry begins", "registry ends", "flush begins", "pool begins", "pool ends"];
    assert_eq!(ran, expected);
    assert_eq!((report.still_running, report.failed), (vec!["hook flush".to_owned()], Vec::new()));
}

#[tokio::test]
async fn i_65_hooks_that_all_hang_end_with_their_time() {
    let began = Instant::now();
    let hooks = &[("pool", Deed::Hangs), ("flush", Deed::Hangs), ("registry", Deed::Hangs)];
    let (report, ran) = end(hooks, "shutdown.hooks = '600ms'").await;
    took(began, 500, 1200);
    assert!(ran.starts_with(&["registry begins".to_owned()]), "{ran:?}");
    let mut still = report.still_running;
    still.sort();
    assert_eq!(still, ["hook flush", "hook pool", "hook registry"]);
}

/// A lone hook has the whole time.
#[tokio::test]
async fn a_slow_hook_has_all_the_time_that_the_others_leave() {
    let hooks = &[("pool", Deed::Takes(500)), ("flush", Deed::Takes(10)), ("registry", Deed::Takes(0))];
    let (report, ran) = end(hooks, "shutdown.hooks = '900ms'").await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(ran.last().unwrap(), "pool ends");
}

/// Even when requests had to be cut off, and whatever still lingers of them, hooks have their time.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn short_hooks_run_although_a_handler_holds_its_thread() {
    let hooks = &[("pool", Deed::Takes(20)), ("registry", Deed::Takes(20))];
    let settings = "http.rate_limit = 'none'\n[shutdown]\ndrain = '100ms'\nhooks = '250ms'";
    let (service, ran) = start_with(hooks, settings).await.unwrap();
    let address = service.addr;
    let blocked = tokio::spawn(async move { crate::client::try_get(address, "/block/900").await });
    crate::support::in_flight(service.admin_addr, 1).await;
    let report = service.shutdown().await;
    assert_eq!(report.still_running, ["1 × /block/{ms}"]);
    assert_eq!(*ran.lock().unwrap(), ["registry begins", "registry ends", "pool begins", "pool ends"]);
    blocked.abort();
}
