//! A program that logs and counts by means of its own.

use crate::client::get;
use crate::process::Program;

#[tokio::test]
async fn a_subscriber_and_a_recorder_that_set_up_sets_are_kept_and_said_to_be() {
    let process = Program::office("own").serve().await;
    let scraped = get(process.admin_addr, "/metrics").await.body;
    assert!(scraped.contains("\nhttp_requests_total"), "{scraped}");
    assert!(scraped.contains("\nprocess_"), "{scraped}");
    process.signal("TERM");
    process.signal("TERM");
    let end = process.ended().await;
    assert_eq!((end.code, &*end.complained), (0, ""));
    let log = end.log();
    let (mine, ours): (Vec<_>, Vec<_>) = log.iter().partition(|line| line["mine"] == true);
    let said = |lines: &[&serde_json::Value], text: &str| {
        lines.iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(text)))
    };
    assert!(said(&ours, "before"), "{log:?}");
    for text in ["a subscriber of its own", "a metrics recorder of its own", "serving", "stopped"] {
        assert!(said(&mine, text) && !said(&ours, text), "{text}: {log:?}");
    }
}

#[tokio::test]
async fn a_metric_whose_name_is_taken_is_left_out_and_said_to_be() {
    let process = Program::office("taken").serve().await;
    for _ in 0..2 {
        let scraped = get(process.admin_addr, "/metrics").await.body;
        assert!(scraped.contains("\norders_open 3\n"), "{scraped}");
        assert_eq!(scraped.matches("# TYPE http_requests_total ").count(), 1, "{scraped}");
        assert!(!scraped.contains("http_requests_total 7"), "{scraped}");
    }
    process.signal("TERM");
    process.signal("TERM");
    let log = process.ended().await.log();
    let told: Vec<_> = log.iter().filter(|line| line["metric"] == "http_requests_total").collect();
    assert!(told.len() == 1 && told[0]["level"] == "ERROR", "{log:?}");
}
