//! \[I-65\] Whatever is stuck, the process is gone one second before `grace`, with exit code 1 and names.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::client::try_get;
use crate::process::{End, Process, Program};
use crate::support::{in_flight, took, until};

/// Grace 3 s: 300 ms until the drain, 300 ms for it, 500 ms for hooks.
async fn serve(service: &str) -> Process {
    Program::office(service)
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "300ms")
        .with("HARDENING_SHUTDOWN__DRAIN", "300ms")
        .with("HARDENING_SHUTDOWN__HOOKS", "500ms")
        .with("HARDENING_SHUTDOWN__GRACE", "3s")
        .serve()
        .await
}

async fn terminate(service: Process, least: u64, most: u64) -> End {
    let began = Instant::now();
    service.signal("TERM");
    let end = service.ended().await;
    took(began, least, most);
    assert_eq!(end.code, 1, "{end:?}");
    end
}

fn request(service: &Process, path: &'static str) {
    let address = service.addr;
    tokio::spawn(async move { try_get(address, path).await });
}

#[track_caller]
fn named_in_the_log(end: &End, name: &str) {
    let last = end.log().pop().unwrap();
    assert_eq!(last["message"], "stopped before everything ended", "{last}");
    assert!(last["still_running"].as_str().unwrap().contains(name), "{last}");
}

#[tokio::test]
async fn i_65_a_handler_that_waits_for_ever_is_cut_and_named() {
    let service = serve("office").await;
    request(&service, "/stuck");
    in_flight(service.admin_addr, 1).await;
    named_in_the_log(&terminate(service, 600, 2000).await, "1 × /stuck");
}

#[tokio::test]
async fn i_65_a_handler_that_holds_a_thread_is_left_behind_and_named() {
    let service = serve("office").await;
    request(&service, "/block/60000");
    service.says("holds a thread", 1).await;
    let end = terminate(service, 600, 2200).await;
    let named = format!("{}{}", end.said.join("\n"), end.complained);
    assert!(named.contains("1 × /block/{ms}"), "{end:?}");
}

#[tokio::test]
async fn i_65_when_every_thread_is_held_the_watchdog_ends_it() {
    let service = serve("office").await;
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    for _ in 0..=threads {
        request(&service, "/block/60000");
    }
    service.says("holds a thread", 1).await;
    // The other threads are held as well, or sleep while the held one was to wake them: nothing answers any more.
    until("nothing answers", async || {
        let answer = timeout(Duration::from_millis(500), try_get(service.admin_addr, "/livez")).await;
        answer.is_err()
    })
    .await;
    let end = terminate(service, 600, 2600).await;
    let line = "error: the shutdown's time is over; still running: ";
    let line = end.complained.lines().find_map(|said| said.strip_prefix(line)).unwrap_or_default();
    assert!(line.contains("× /block/{ms}"), "{end:?}");
}

#[tokio::test]
async fn i_65_a_hook_that_hangs_is_cut_and_named() {
    let service = serve("hanging").await;
    named_in_the_log(&terminate(service, 300, 1700).await, "hook flush");
}

#[tokio::test]
async fn i_65_a_hook_that_holds_a_thread_is_left_behind_and_named() {
    let service = serve("sticking").await;
    let end = terminate(service, 300, 2600).await;
    let named = format!("{}{}", end.said.join("\n"), end.complained);
    assert!(named.contains("hook flush"), "{end:?}");
}
