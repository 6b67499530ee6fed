//! What `/metrics` answers, judged by Prometheus' own tool.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::tables::scraped;

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let required = std::env::var("HARDENING_TEST_TOOLS").is_ok_and(|tools| tools == "required");
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Ok(promtool) => promtool,
        Err(error) if required => panic!("promtool cannot run: {error}"),
        Err(_) => {
            eprintln!("promtool is not here, so it judges nothing");
            return;
        }
    };
    let metrics = scraped().await;
    // Dropped at the end of the statement, so that promtool sees the end.
    promtool.stdin.take().expect("its input").write_all(metrics.as_bytes()).expect("it reads");
    let judged = promtool.wait_with_output().expect("it ends");
    let problems = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && problems.is_empty(), "{problems}");
}
