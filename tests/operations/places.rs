//! Values that break a rule are refused at the line that broke it.

use crate::process::Program;

/// Checks the settings of the office's calls.
async fn refused(text: &str, place: &str, parts: &[&str]) {
    let end = Program::office("office").file(text).run().await;
    let refusals = end.refusals();
    assert_eq!(refusals.len(), 1, "{text}: {refusals:#?}");
    assert!(refusals[0].starts_with(&format!("{place}: ")), "{text}: not at {place}: {refusals:?}");
    for part in parts {
        assert!(refusals[0].contains(part), "{text}: `{part}` is not in {refusals:?}");
    }
}

#[tokio::test]
async fn a_timeout_above_the_deadline_is_refused() {
    let text = "[call.\"office::price\".timeout]\n\nafter = '90s'";
    refused(text, "hardening.toml:3", &["`office::price`", "1m30s", "at most 1m"]).await;
    let text = "[call.\"office::price\"]\ntimeout = '90s'";
    refused(text, "hardening.toml:2", &["`office::price`", "at most 1m"]).await;
}

/// It is the deadline that was set, so that is the line to look at, whatever else was set of that call.
#[tokio::test]
async fn a_deadline_below_the_timeout_is_refused_where_the_deadline_stands() {
    let text =
        "[call.\"office::price\".deadline]\nafter = '1s'\n[call.\"office::price\".retry]\njitter = 'none'";
    refused(text, "hardening.toml:2", &["one attempt may take 10s", "only 1s"]).await;
}

#[tokio::test]
async fn a_second_attempt_that_never_fits_is_refused() {
    let text = "[call.\"office::price\".timeout]\nafter = '40s'";
    refused(text, "hardening.toml:2", &["a second attempt can never fit", "at most"]).await;
}

#[tokio::test]
async fn a_range_that_is_reversed_and_a_window_that_is_too_small_are_refused() {
    let text = "[call.\"office::price\".retry]\nattempts = 2\nbackoff = '2s..1s'";
    refused(text, "hardening.toml:3", &["1s..2s"]).await;
    let text = "[call.\"office::broken\".circuit_breaker]\nwindow = 5\nmin_calls = 10";
    refused(text, "hardening.toml:3", &["never holds 10", "at most 5"]).await;
}

/// Of two limits of one function the one that is wrong is named.
#[tokio::test]
async fn of_several_limits_the_broken_one_is_named() {
    let wrong = "[call.\"office::doubly\".rate_limited]\nrate = '3000000000/s'\n";
    let right = "[call.\"office::doubly\".rate_limited_2]\nrate = '5/s'\n";
    refused(&format!("{wrong}{right}"), "hardening.toml:2", &["one in a nanosecond"]).await;
    let (wrong, right) = (wrong.replace("limited]", "limited_2]"), right.replace("limited_2]", "limited]"));
    refused(&format!("{wrong}{right}"), "hardening.toml:2", &["one in a nanosecond"]).await;
}

#[tokio::test]
async fn a_rule_broken_by_the_environment_names_the_variable() {
    let name = "HARDENING_CALL__OFFICE_PRICE__TIMEOUT__AFTER";
    let file = "[call.\"office::price\".timeout]\nafter = '5s'";
    let end = Program::office("office").file(file).with(name, "90s").run().await;
    end.refused(&[&format!("{name}: "), "at most 1m"]);
}
