//! Settings that change while the service runs.

use crate::client::get;
use crate::process::{Process, Program};
use crate::support::until;

pub(crate) async fn told(service: &Process, call: &str) -> String {
    get(service.addr, &format!("/calls/{call}")).await.body
}

async fn reloads(service: &Process, result: &str) -> u64 {
    let metrics = get(service.admin_addr, "/metrics").await.body;
    let series = format!("hardening_settings_reloads_total{{result=\"{result}\"}} ");
    let line =
        metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_else(|| panic!("{metrics}"));
    line.parse().unwrap()
}

pub(crate) async fn reloaded(service: &Process, result: &str, times: u64) {
    until("reloaded", || async { reloads(service, result).await == times }).await;
}

#[tokio::test]
async fn a_changed_file_changes_numbers_and_keeps_states() {
    let service = Program::office("office").file("").serve().await;
    assert_eq!(told(&service, "broken").await, "2: failed failed circuit_open circuit_open");
    assert_eq!(told(&service, "price").await, "3: failed");
    service.write_settings(
        "[call.\"office::price\".retry]\nattempts = 5\n[call.\"office::broken\".circuit_breaker]\nconsecutive = 9\n",
    );
    reloaded(&service, "applied", 1).await;
    assert_eq!(told(&service, "price").await, "5: failed");
    assert_eq!(
        told(&service, "broken").await,
        "0: circuit_open circuit_open circuit_open circuit_open",
        "an open circuit stays open"
    );
    // What the file no longer says is what the attributes say.
    service.write_settings("[call.\"office::price\"]\n");
    reloaded(&service, "applied", 2).await;
    assert_eq!(told(&service, "price").await, "3: failed");
    service.signal("TERM");
    assert_eq!(service.ended().await.code, 0);
}

#[tokio::test]
async fn what_would_not_start_is_not_put_in_force_either() {
    let service = Program::office("office").file("").serve().await;
    service.write_settings("[call.\"office::price\".retry]\nattempts = 5\n\n[shutdown]\ndrain = '1h'");
    reloaded(&service, "refused", 1).await;
    assert_eq!(told(&service, "price").await, "3: failed", "all of it or none of it");
    service.signal("TERM");
    let log = service.ended().await.log();
    let said = |line: &serde_json::Value| {
        line["message"]
            .as_str()
            .is_some_and(|said| said.contains("shutdown.drain 1h") && said.contains("stay in force"))
    };
    assert!(log.iter().any(said), "{log:?}");
}

#[tokio::test]
async fn a_file_with_one_mistake_changes_nothing() {
    let service = Program::office("office").file("").serve().await;
    service.write_settings(
        "[call.\"office::price\".retry]\nattempts = 5\n\n[call.\"office::timed\".timeout]\nafter = 'soon'\n",
    );
    reloaded(&service, "refused", 1).await;
    assert_eq!(told(&service, "price").await, "3: failed", "all of it or none of it");
    // A rule between policies is kept as well.
    service.write_settings("[call.\"office::price\"]\ntimeout = '2m'\n");
    reloaded(&service, "refused", 2).await;
    service.signal("TERM");
    let log = service.ended().await.log();
    let said = |part: &str| {
        log.iter().any(|line| {
            line["level"] == "ERROR" && line["message"].as_str().is_some_and(|message| message.contains(part))
        })
    };
    assert!(said("hardening.toml:5: [call.\"office::timed\".timeout] after"), "{log:#?}");
    assert!(said("hardening.toml:2: `office::price`: ") && said("stay in force"), "{log:#?}");
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_reads_the_file_again() {
    let service = Program::office("office").file("").serve().await;
    service.write_settings("[call.\"office::price\".retry]\nattempts = 4\n\n[http]\nbody_limit = '2MiB'\n");
    service.signal("HUP");
    reloaded(&service, "applied", 1).await;
    assert_eq!(told(&service, "price").await, "4: failed");
    service.signal("TERM");
    let log = service.ended().await.log();
    let waits = log.iter().find(|line| line["setting"] == "[http] body_limit").expect("it is named");
    assert!(waits["message"].as_str().unwrap().contains("next start"), "{waits}");
}

#[tokio::test]
async fn cfg_12_cfg_13_all_policies_are_switched_off_and_on_again_by_kind() {
    let service = Program::office("office").file("").serve().await;
    service.write_settings("[policies]\nenabled = false\n");
    reloaded(&service, "applied", 1).await;
    for (call, story) in [
        ("price", "1: failed"),
        ("timed", "1: slow"),
        ("late", "1: slow"),
        ("broken", "4: failed failed failed failed"),
        ("limited", "4: done done done done"),
        ("doubly", "4: done done done done"),
        ("narrow", "3: done done done"),
        ("covered", "1: covered"),
    ] {
        assert_eq!(told(&service, call).await, story, "{call}");
    }
    service.write_settings("[policies]\nenabled = false\nretry = true\nfallback = false\n");
    reloaded(&service, "applied", 2).await;
    assert_eq!(told(&service, "price").await, "3: failed");
    assert_eq!(told(&service, "covered").await, "1: failed");
    // The call's own word counts most.
    service.write_settings("[policies]\nretry = true\n[call.\"office::price\".retry]\nenabled = false\n");
    reloaded(&service, "applied", 3).await;
    assert_eq!(told(&service, "price").await, "1: failed");
    assert_eq!(told(&service, "broken").await, "2: failed failed circuit_open circuit_open");
}

#[tokio::test]
async fn a_circuit_is_forced_by_its_mode() {
    let service = Program::office("office").file("").serve().await;
    let mode = |mode: &str| format!("[call.\"office::broken\".circuit_breaker]\nmode = '{mode}'\n");
    for (at, (mode_name, story)) in [
        ("forced_open", "0: circuit_open circuit_open circuit_open circuit_open"),
        ("metrics_only", "4: failed failed failed failed"),
        ("disabled", "4: failed failed failed failed"),
    ]
    .into_iter()
    .enumerate()
    {
        service.write_settings(&mode(mode_name));
        reloaded(&service, "applied", at as u64 + 1).await;
        assert_eq!(told(&service, "broken").await, story, "{mode_name}");
        let metrics = get(service.admin_addr, "/metrics").await.body;
        let series = format!("hardening_circuit_state{{circuit=\"office::broken\",state=\"{mode_name}\"}} 1");
        assert!(metrics.contains(&series), "{mode_name}");
    }
}

#[tokio::test]
async fn a_shared_policy_is_changed_for_all_who_use_it() {
    let service = Program::office("office").file("[policy.SUPPLY]\nburst = 2\n").serve().await;
    assert_eq!(told(&service, "shared").await, "2: done done rate_limited rate_limited");
    service.write_settings("[policy.SUPPLY]\nenabled = false\n");
    reloaded(&service, "applied", 1).await;
    assert_eq!(told(&service, "shared").await, "4: done done done done");
    service.write_settings("[policy.SUPLY]\nburst = 2\n[call.\"office::supply\".rate_limited]\nburst = 2\n");
    reloaded(&service, "refused", 1).await;
    service.signal("TERM");
    let log = format!("{:?}", service.ended().await.log());
    for part in ["did you mean `SUPPLY`?", "is shared: write `[policy.SUPPLY]`"] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[tokio::test]
async fn a_file_that_is_emptied_or_gone_takes_no_number_back() {
    let text = "[call.\"office::price\".retry]\nattempts = 4\n";
    for empty in [Some(""), Some("# nothing any more\n\n"), None] {
        let service = Program::office("office").file(text).serve().await;
        match empty {
            Some(text) => service.write_settings(text),
            None => service.remove_settings(),
        }
        service.signal("HUP");
        until("refused", || async { reloads(&service, "refused").await >= 1 }).await;
        assert_eq!(reloads(&service, "applied").await, 0);
        service.write_settings("[call.\"office::price\".retry]\nattempts = 5\n");
        until("applied", || async { reloads(&service, "applied").await == 1 }).await;
        service.signal("TERM");
        service.signal("TERM");
        let log = service.ended().await.log();
        let refused = |line: &&serde_json::Value| {
            line["message"].as_str().is_some_and(|m| m.contains("hardening.toml is gone or empty"))
        };
        assert!(log.iter().any(|line| refused(&line) && line["level"] == "ERROR"), "{log:?}");
    }
}
