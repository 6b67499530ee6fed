use std::time::Duration;

use hardening_spec::{CallSpec, Rate, RateLimitSpec, RetrySpec};

use super::super::load::{Problems, Sources, load};
use super::*;

fn calls() -> Vec<Call> {
    let declared = CallSpec {
        timeout: Some(Duration::from_millis(200)),
        deadline: Some(Duration::from_secs(2)),
        retry: Some(RetrySpec { idempotent: true, ..RetrySpec::DEFAULT }),
        ..CallSpec::NONE
    };
    vec![Call {
        name: "orders::price",
        file: "src/main.rs",
        line: 7,
        declared,
        shares: Vec::new(),
        policy: None,
    }]
}

fn with(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let sources = Sources {
        overrides: None,
        defaults: Some(file.to_owned()),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Sources::default()
    };
    load(&sources, &calls())
}

#[test]
fn later_sources_win() {
    let loaded = with(
        "[http]\nbody_limit = \"2MiB\"\nconnections = 5\n[call.\"orders::price\"]\ntimeout = \"100ms\"\n",
        &[("HARDENING_HTTP__CONNECTIONS", "7"), ("HARDENING_CALL__ORDERS_PRICE__RETRY__ATTEMPTS", "5")],
    )
    .unwrap();
    assert_eq!(loaded.settings.http.body_limit, 2 << 20);
    assert_eq!(loaded.settings.http.connections, 7);
    assert_eq!(loaded.overrides[0].spec.timeout, Some(Duration::from_millis(100)));
    assert_eq!(loaded.overrides[0].spec.retry.unwrap().attempts, 5);
    assert_eq!(loaded.overrides[0].spec.deadline, Some(Duration::from_secs(2)));
}

#[test]
fn everything_wrong_is_reported_together_with_its_line() {
    let problems = with(
        "[htpp]\nlisten = 1\n[http]\nlisen = \"x\"\nconnections = 0\n[call.\"orders::prize\".retry]\nattempts = 1\n\
         [call.\"orders::price\".retyr]\nattempts = 1\n[call.\"orders::price\".retry]\nattempst = 1\nidempotent = false\n",
        &[("HARDENING_LOG__FORMAT", "xml")],
    )
    .unwrap_err()
    .0;
    for (place, part) in [
        ("code:2", "did you mean `http`?"),
        ("code:4", "did you mean `listen`?"),
        ("code:5", "whole number of at least 1"),
        ("code:7", "did you mean `orders::price`?"),
        ("code:9", "did you mean `retry`?"),
        ("code:11", "did you mean `attempts`?"),
        ("code:12", "only be written at the attribute"),
        ("HARDENING_LOG__FORMAT", "`pretty`"),
    ] {
        assert!(
            problems.iter().any(|line| line.contains(&format!("{place}: ")) && line.contains(part)),
            "{place} {part}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn a_table_that_holds_nothing_must_still_be_one_of_ours() {
    for (text, line, part) in [
        ("[cal.x]", 1, "did you mean `call`?"),
        ("[cal]", 1, "did you mean `call`?"),
        ("[http]\n[htpp]\n[htpp.x]\nlisten = 'x'", 4, "did you mean `http`?"),
        ("[http]\n\n[shutdwon]", 3, "did you mean `shutdown`?"),
        ("[http.tls]", 1, "no such table"),
        ("[call.\"orders::prize\"]", 1, "did you mean `orders::price`?"),
        ("[call.\"orders::prize\".retry]", 1, "did you mean `orders::price`?"),
        ("[call.\"orders::price\".retyr]", 1, "did you mean `retry`?"),
        ("[call.\"orders::price\".retry.more]", 1, "and below it `key = value`"),
    ] {
        let problems = with(text, &[]).unwrap_err().0;
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(
            problems[0].contains(&format!("code:{line}: ")) && problems[0].contains(part),
            "{text}: {problems:?}"
        );
    }
    for text in ["", "[http]", "[call]", "[call.\"orders::price\"]", "[call.\"orders::price\".retry]"] {
        assert!(with(text, &[]).unwrap().overrides.is_empty(), "{text}");
    }
}

#[test]
fn a_rule_between_policies_refuses_the_start_at_the_line_that_broke_it() {
    let problems = with("[call.\"orders::price\"]\ntimeout = \"5s\"\n", &[]).unwrap_err().0;
    assert!(problems[0].contains("code:2") && problems[0].contains("orders::price"), "{problems:?}");
}

#[test]
fn the_value_behind_a_reference_is_never_shown() {
    let problems =
        with("[http]\nbody_limit = \"secret://env/LIMIT\"\n", &[("LIMIT", "hunter2")]).unwrap_err().0;
    assert!(problems[0].contains("`1MiB`") && !problems[0].contains("hunter2"), "{problems:?}");
}

#[test]
fn two_calls_of_one_name_are_refused_with_both_places() {
    let mut calls = calls();
    calls.push(Call { file: "src/lib.rs", line: 9, ..calls[0].clone() });
    let problems = load(&Sources::default(), &calls).unwrap_err().0;
    assert!(
        problems[0].contains("src/main.rs:7")
            && problems[0].contains("src/lib.rs:9")
            && problems[0].contains("name = "),
        "{problems:?}"
    );
}

#[test]
fn two_calls_of_one_variable_are_refused_whether_it_is_set_or_not() {
    let mut calls = calls();
    calls.push(Call { name: "orders_price", file: "src/lib.rs", line: 9, ..calls[0].clone() });
    let problems = load(&Sources::default(), &calls).unwrap_err().0;
    assert_eq!(problems.len(), 1, "{problems:?}");
    for part in ["`orders::price` and `orders_price`", "HARDENING_CALL__ORDERS_PRICE__", "src/lib.rs:9"] {
        assert!(problems[0].contains(part), "{part}: {problems:?}");
    }
}

#[test]
fn a_burst_has_room_for_what_a_call_costs() {
    let limit = RateLimitSpec::new(Rate::per_secs(10, 1)).with_cost(4);
    let mut calls = calls();
    calls[0].declared = calls[0].declared.with_rate_limited(limit);
    let with = |burst| {
        let file = format!("[call.\"orders::price\".rate_limited]\nburst = {burst}\n");
        let loaded = load(&Sources { defaults: Some(file), ..Sources::default() }, &calls);
        loaded.map(|_| ()).map_err(|problems| problems.to_string())
    };
    assert_eq!(with(4), Ok(()));
    let refused = with(3).expect_err("no call would ever fit");
    assert!(refused.contains("a call that costs 4 never fits a burst of 3"), "{refused}");
}
