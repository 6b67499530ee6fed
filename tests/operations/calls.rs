//! Settings of calls do what they say while the service runs.

use crate::client::get;
use crate::process::{Process, Program};

/// What becomes of each call without settings.
const AS_WRITTEN: [(&str, &str); 8] = [
    ("price", "3: failed"),
    ("timed", "1: timeout"),
    ("late", "1: deadline_exceeded"),
    ("broken", "2: failed failed circuit_open circuit_open"),
    ("limited", "1: done rate_limited rate_limited rate_limited"),
    ("doubly", "2: done done rate_limited rate_limited"),
    ("narrow", "1: done bulkhead_full bulkhead_full"),
    ("covered", "1: covered"),
];

async fn told(service: &Process, stories: &[(&str, &str)]) {
    for (call, expected) in stories {
        let reply = get(service.addr, &format!("/calls/{call}")).await;
        assert_eq!(reply.body, *expected, "{call}");
    }
}

#[tokio::test]
async fn without_settings_calls_do_what_is_written() {
    told(&Program::office("office").serve().await, &AS_WRITTEN).await;
}

#[tokio::test]
async fn each_policy_can_be_switched_off() {
    let off = [
        ("price", "retry", "1: failed"),
        ("timed", "timeout", "1: slow"),
        ("late", "deadline", "1: slow"),
        ("broken", "circuit_breaker", "4: failed failed failed failed"),
        ("limited", "rate_limited", "4: done done done done"),
        ("doubly", "rate_limited_2", "4: done done done done"),
        ("narrow", "bulkhead", "3: done done done"),
        ("covered", "fallback", "1: failed"),
    ];
    let switch = |call, policy| format!("[call.\"office::{call}\".{policy}]\nenabled = false\n");
    let file = off.map(|(call, policy, _)| switch(call, policy)).concat();
    let service = Program::office("office").file(&file).serve().await;
    told(&service, &off.map(|(call, _, expected)| (call, expected))).await;
}

#[tokio::test]
async fn a_policy_is_switched_off_alone() {
    let variables = ["LIMITED__RATE_LIMITED", "TIMED__TIMEOUT"];
    let mut program = Program::office("office");
    for variable in variables {
        program = program.with(&format!("HARDENING_CALL__OFFICE_{variable}__ENABLED"), "false");
    }
    let mut expected = AS_WRITTEN;
    expected[1].1 = "1: slow";
    expected[4].1 = "4: done done done done";
    told(&program.serve().await, &expected).await;
}

#[tokio::test]
async fn numbers_act() {
    let file = "
[call.'office::price'.retry]
attempts = 5
[call.'office::timed']
timeout = '2s'
[call.'office::late'.deadline]
after = '2s'
[call.'office::broken'.circuit_breaker]
consecutive = 3
[call.'office::limited'.rate_limited]
burst = 3
[call.'office::doubly'.rate_limited]
rate = '1/h'
[call.'office::narrow'.bulkhead]
max = 2
queue = 0
";
    let service = Program::office("office").file(file).serve().await;
    let stories = [
        ("price", "5: failed"),
        ("timed", "1: slow"),
        ("late", "1: slow"),
        ("broken", "3: failed failed failed circuit_open"),
        ("limited", "3: done done done rate_limited"),
        ("doubly", "1: done rate_limited rate_limited rate_limited"),
        ("narrow", "2: done done bulkhead_full"),
    ];
    told(&service, &stories).await;
}

#[tokio::test]
async fn a_number_of_the_environment_acts_over_that_of_the_file() {
    let service = Program::office("office")
        .file("[call.'office::price'.retry]\nattempts = 5")
        .with("HARDENING_CALL__OFFICE_PRICE__RETRY__ATTEMPTS", "2")
        .serve()
        .await;
    told(&service, &[("price", "2: failed")]).await;
}

/// The file switches it off; whoever runs this instance switches it on again.
#[tokio::test]
async fn a_policy_that_the_file_switched_off_is_switched_on_by_the_environment() {
    let service = Program::office("office")
        .file("[call.'office::price'.retry]\nenabled = false\nattempts = 5\njitter = 'none'")
        .with("HARDENING_CALL__OFFICE_PRICE__RETRY__ENABLED", "true")
        .serve()
        .await;
    told(&service, &[("price", "5: failed")]).await;
}

/// Numbers of a policy that is off are judged alone, whatever their place, and change nothing.
#[tokio::test]
async fn a_policy_that_is_off_may_keep_its_numbers() {
    let service = Program::office("office")
        .file("[call.'office::price'.retry]\nenabled = false\nattempts = 5\njitter = 'none'")
        .with("HARDENING_CALL__OFFICE_PRICE__RETRY__BACKOFF", "2ms")
        .serve()
        .await;
    told(&service, &[("price", "1: failed")]).await;
    let file = "[call.'office::price'.retry]\nenabled = false\njitter = 'some'";
    let end = Program::office("office").file(file).run().await;
    end.refused(&["hardening.toml:3: ", "`decorrelated`"]);
}
