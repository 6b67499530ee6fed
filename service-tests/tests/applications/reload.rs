//! A settings file of which every line is wrong, put in place while the service answers.

use std::path::PathBuf;
use std::time::Duration;

use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::get;
use hardening_service_tests::service::value;
use tokio::time::{Instant, sleep};

use super::app::live;

const NAME: &str = "reload::child_main";
/// Keys that are in no table of settings.
const MANY: usize = 10_000;

fn many(part: impl Fn(usize) -> String) -> String {
    (0..MANY).map(part).collect::<Vec<_>>().concat()
}

#[test]
fn child_main() {
    main_of(NAME, live);
}

fn write(path: &PathBuf, text: &str) {
    // In one step, as a deployment does it.
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(&next, path).unwrap();
}

#[tokio::test]
async fn requests_are_answered_while_a_large_wrong_file_is_refused() {
    let path = std::env::temp_dir().join(format!("hardening-large-{}.toml", std::process::id()));
    write(&path, "[log]\naccess = false\n");
    let child = Child::start(NAME, &[("HARDENING_CONFIG", path.to_str().unwrap())]).await;
    for (before, wrong) in [
        many(|at| format!("key_{at} = 1\n")),
        many(|at| format!("[call.'none::call_{at}']\ntimeout = '1s'\n")),
        "# much and nothing\n".repeat(100_000),
    ]
    .into_iter()
    .enumerate()
    {
        let before = before as f64;
        write(&path, &wrong);
        let began = Instant::now();
        let refused = async || {
            let metrics = get(child.admin_addr, "/metrics").await.body;
            value(&metrics, "hardening_settings_reloads_total{result=\"refused\"}").unwrap_or_default()
        };
        while refused().await <= before {
            assert!(began.elapsed() < Duration::from_secs(30), "file {before} is not refused");
            let asked = Instant::now();
            assert_eq!(get(child.addr, "/hello").await.status, 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
    }
    child.terminate().await;
    let end = child.ended().await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(end.code, Some(0));
    let said = |part: &str| end.said.lines().filter(|line| line.contains(part)).count();
    assert_eq!(said("settings refused"), 2 * 21 + 1);
    assert_eq!(said(&format!("{} more problems are not listed", MANY - 20)), 2);
    assert_eq!(said("larger than 1 MiB"), 1);
}

#[tokio::test]
async fn a_start_with_a_large_wrong_file_lists_the_first_problems() {
    let path = std::env::temp_dir().join(format!("hardening-large-start-{}.toml", std::process::id()));
    write(&path, &many(|at| format!("key_{at} = 1\n")));
    let end = Child::run(NAME, &[("HARDENING_CONFIG", path.to_str().unwrap())]).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(end.code, Some(1));
    assert_eq!(end.complained.lines().filter(|line| line.starts_with("error: ")).count(), 21);
}
