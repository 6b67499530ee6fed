//! Section 12 of the conformance suites, with whole services: where settings of calls come from, and which one counts.

use crate::process::Program;
use crate::reload::{reloaded, told};

#[tokio::test]
async fn cfg_01_cfg_02_cfg_03_the_nearest_word_counts() {
    const ATTEMPTS: &str = "HARDENING_CALL__OFFICE_PRICE__RETRY__ATTEMPTS";
    let file = "[call.\"office::price\".retry]\nattempts = 5\n";
    let service = Program::office("office").file(file).serve().await;
    assert_eq!(told(&service, "price").await, "5: failed", "cfg_02: the file before the attribute");
    let service = Program::office("office").file(file).with(ATTEMPTS, "6").serve().await;
    assert_eq!(told(&service, "price").await, "6: failed", "cfg_01: the environment before the file");
    // It does so when the file changes too.
    service.write_settings("[call.\"office::price\".retry]\nattempts = 7\nbackoff = '2ms'\n");
    reloaded(&service, "applied", 1).await;
    assert_eq!(told(&service, "price").await, "6: failed");
    // What is said of another call, of a module or of all has no effect on one, or is refused.
    let other = "[call.\"office::patient\".retry]\nattempts = 9\n";
    let service = Program::office("office").file(other).serve().await;
    assert_eq!(told(&service, "price").await, "3: failed", "cfg_03");
    for (file, part) in [
        ("[call.office.retry]\nattempts = 9\n", "there is no call `office`"),
        ("[call.retry]\nattempts = 9\n", "there is no call `retry`"),
        ("[policies.retry]\nattempts = 9\n", "no such table"),
    ] {
        Program::office("office").file(file).run().await.refused(&[":2:", part]);
    }
}

#[tokio::test]
async fn cfg_04_cfg_05_what_calls_share_is_changed_where_it_is_declared() {
    let service = Program::office("office").file("[policy.SUPPLY]\nburst = 1\n").serve().await;
    assert_eq!(told(&service, "shared").await, "1: done rate_limited rate_limited rate_limited");
    let program = Program::office("office").file("[policy.SUPPLY]\nburst = 1\n");
    let service = program.with("HARDENING_POLICY__SUPPLY__BURST", "2").serve().await;
    assert_eq!(told(&service, "shared").await, "2: done done rate_limited rate_limited");
    let of_one = "[call.\"office::supply\".rate_limited]\nburst = 2\n";
    Program::office("office")
        .file(of_one)
        .run()
        .await
        .refused(&[":2:", "is shared: write `[policy.SUPPLY]`"]);
}

#[tokio::test]
async fn cfg_06_settings_add_no_policy() {
    let run = Program::office("office").file("[call.\"office::price\".bulkhead]\nmax = 1\n").run().await;
    run.refused(&[":2:", "[call.\"office::price\".bulkhead] max", "has no `bulkhead`"]);
    // A switch for a kind that a call has not adds none either.
    let service = Program::office("office").file("[policies]\nbulkhead = true\n").serve().await;
    assert_eq!(told(&service, "timed").await, "1: timeout");
}

#[tokio::test]
async fn cfg_08_to_11_and_14_switches_of_one_call_of_a_kind_and_of_all() {
    let price = |on: bool| format!("[call.\"office::price\".retry]\nenabled = {on}\n");
    for (id, file, story) in [
        ("cfg_08 one call", price(false), "1: failed"),
        ("cfg_09 a kind", "[policies]\nretry = false\n".to_owned(), "1: failed"),
        (
            "cfg_10 the call before its kind",
            "[policies]\nretry = true\n".to_owned() + &price(false),
            "1: failed",
        ),
        ("cfg_10 on", "[policies]\nretry = false\n".to_owned() + &price(true), "3: failed"),
        (
            "cfg_11 the call before all",
            "[policies]\nenabled = false\n".to_owned() + &price(true),
            "3: failed",
        ),
    ] {
        let service = Program::office("office").file(&file).serve().await;
        assert_eq!(told(&service, "price").await, story, "{id}");
        assert_eq!(told(&service, "covered").await, "1: covered", "cfg_14: fallbacks stay, {id}");
        let limited = if id.starts_with("cfg_11") { "done" } else { "rate_limited" };
        assert_eq!(
            told(&service, "limited").await.split(' ').next_back(),
            Some(limited),
            "others stay, {id}"
        );
    }
}

#[tokio::test]
async fn cfg_15_a_value_that_does_not_fit_stops_the_start_with_its_key_and_itself() {
    for (key, value, form) in [
        ("retry]\nattempts", "'abc'", "a whole number of at least 1"),
        ("retry]\nattempts", "-5", "a whole number of at least 1"),
        ("retry]\nattempts", "0", "a whole number of at least 1"),
        ("retry]\nattempts", "2.5", "a whole number of at least 1"),
        ("retry]\nattempts", "true", "a whole number of at least 1"),
        ("retry]\nbackoff", "5", "a duration such as"),
        ("retry]\nbackoff", "'2s..1s'", "a duration such as"),
        ("retry]\nbudget", "'150%'", "a ratio such as"),
        ("retry]\njitter", "'some'", "one of `full`"),
        ("retry]\nenabled", "'no'", "`true` or `false`"),
        ("timeout]\nafter", "'-1s'", "a duration such as"),
    ] {
        let file = format!("[call.\"office::price\".{key} = {value}\n");
        let run = Program::office("office").file(&file).run().await;
        let key = key.split_once("]\n").unwrap().1;
        run.refused(&[":2:", "[call.\"office::price\".", key, value.trim_matches('\''), form]);
    }
    let name = "HARDENING_CALL__OFFICE_PRICE__RETRY__ATTEMPTS";
    Program::office("office").with(name, "abc").run().await.refused(&[
        name,
        "attempts",
        "`abc`",
        "at least 1",
    ]);
    Program::office("office").with("HARDENING_HTTP__CONNECTIONS", "many").run().await.refused(&[
        "HARDENING_HTTP__CONNECTIONS",
        "`many`",
        "a whole number of at least 1",
    ]);
    let hidden = [(name, "secret://env/MANY"), ("MANY", "hunter2")];
    let run = hidden
        .into_iter()
        .fold(Program::office("office"), |program, (name, value)| program.with(name, value));
    let run = run.run().await;
    run.refused(&[name, "attempts"]);
    assert!(!run.complained.contains("hunter2"), "{run:?}");
}
