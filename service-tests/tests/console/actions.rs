//! What an action changes, and what it never does.

use hardening::CircuitState;
use hardening_service_tests::client::get;
use hardening_service_tests::service::{scrape, value};
use serde_json::{Value, json};

use super::app::{Operator, TOKEN, named, number, start, start_with};

#[tokio::test]
async fn a_circuit_is_forced_and_given_back() {
    let running = start().await;
    let operator = Operator::of(&running);
    let mode = ["call", "app::report", "circuit_breaker", "mode"];
    // A look before the first call is no call, and makes no second circuit.
    operator.state().await;
    let circuit = hardening::circuit("app::report").expect("a circuit");
    let done = operator.set(&mode, json!("forced_open")).await;
    assert_eq!((&done["was"], &done["now"]), (&json!("automatic"), &json!("forced_open")));
    assert_eq!((get(running.addr, "/report").await.status, circuit.state()), (503, CircuitState::ForcedOpen));
    let state = operator.state().await;
    assert_eq!(
        (&state["overrides"], &named(&state["circuits"], "app::report")["state"]),
        (&json!(1), &json!("forced_open"))
    );
    let forced = |state: &Value| {
        let changes = state["transitions"].as_array().expect("changes").iter();
        changes.filter(|change| change["circuit"] == "app::report" && change["to"] == "forced_open").count()
    };
    assert_eq!(forced(&state), 1, "{:#}", state["transitions"]);
    operator.set(&mode, json!("disabled")).await;
    assert_eq!((get(running.addr, "/report").await.status, circuit.state()), (200, CircuitState::Disabled));
    operator.set(&mode, json!("metrics_only")).await;
    assert_eq!(circuit.state(), CircuitState::MetricsOnly);
    // What is configured anyway is no override.
    operator.set(&mode, json!("automatic")).await;
    assert_eq!((circuit.state(), &operator.state().await["overrides"]), (CircuitState::Closed, &json!(0)));
    circuit.open_for(std::time::Duration::from_mins(1));
    assert_eq!(get(running.addr, "/report").await.status, 503);
    let done = operator.does("close", json!({ "circuit": "app::report" })).await;
    assert_eq!((&done["was"], &done["now"]), (&json!("open"), &json!("closed")));
    assert_eq!(get(running.addr, "/report").await.status, 200);
    // A reset takes back what code and console forced.
    operator.set(&mode, json!("forced_open")).await;
    let done = operator.does("reset", json!({ "circuit": "app::report" })).await;
    assert_eq!(
        (&done["now"], circuit.state(), circuit.window()),
        (&json!("closed"), CircuitState::Closed, (0, 0, 0))
    );
    circuit.force_open();
    operator.does("reset", json!({ "circuit": "app::report" })).await;
    assert_eq!((circuit.state(), &operator.state().await["overrides"]), (CircuitState::Closed, &json!(0)));
    let unknown = operator.act("close", json!({ "circuit": "app::reprot" })).await;
    assert_eq!(unknown.status, 422);
    running.shutdown().await;
}

#[tokio::test]
async fn a_shared_circuit_is_forced_for_all_that_share_it() {
    let running = start().await;
    let operator = Operator::of(&running);
    operator.set(&["policy", "WAREHOUSE", "mode"], json!("forced_open")).await;
    assert_eq!(get(running.addr, "/ship/well").await.status, 503);
    let own = operator
        .act("set", json!({ "path": ["call", "app::ship", "circuit_breaker", "mode"], "value": "disabled" }))
        .await;
    assert_eq!(own.status, 422);
    assert!(own.json()["detail"].to_string().contains("[policy.WAREHOUSE]"), "{own:#?}");
    operator.unset(&["policy", "WAREHOUSE", "mode"]).await;
    assert_eq!(get(running.addr, "/ship/well").await.status, 200);
    running.shutdown().await;
}

#[tokio::test]
async fn a_limit_changes_at_once_and_goes_back() {
    let running = start().await;
    let operator = Operator::of(&running);
    let places = ["call", "app::stock", "bulkhead", "max"];
    let done = operator.set(&places, json!("3")).await;
    assert_eq!((&done["was"], &done["now"]), (&json!("8"), &json!("3")));
    let state = operator.state().await;
    assert_eq!(named(&state["bulkheads"], "app::stock")["places"], 3);
    let configuration = operator.configuration().await;
    let changed = number(&configuration, "app::stock", "bulkhead", "max");
    assert_eq!(
        (&changed["value"], &changed["origin"], &changed["source"], &changed["configured"]),
        (&json!("3"), &json!("the console"), &json!("console"), &json!("8"))
    );
    let done = operator.unset(&places).await;
    assert_eq!((&done["was"], &done["now"]), (&json!("3"), &json!("8")));
    assert_eq!(operator.act("unset", json!({ "path": places })).await.status, 422, "nothing is set there");
    running.shutdown().await;
}

#[tokio::test]
async fn a_policy_is_switched_off_and_on() {
    let running = start().await;
    let operator = Operator::of(&running);
    let switch = ["call", "app::switched", "rate_limited", "enabled"];
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(get(running.addr, "/switched").await.status);
        }
        statuses
    };
    assert_eq!(statuses(2).await, [200, 429]);
    operator.set(&switch, json!(false)).await;
    assert_eq!(statuses(3).await, [200, 200, 200]);
    assert_eq!(named(&operator.state().await["limits"], "app::switched")["on"], false);
    operator.unset(&switch).await;
    assert_eq!(statuses(1).await, [429], "its state stayed");
    running.shutdown().await;
}

#[tokio::test]
async fn rules_are_those_of_a_start_and_nothing_is_half_done() {
    let running = start().await;
    let operator = Operator::of(&running);
    let recalled = |policy: &'static str, key: &'static str| ["call", "app::recalled", policy, key];
    for (path, wanted, part) in [
        (&recalled("retry", "attempts")[..], json!(0), "at least 1"),
        (&recalled("retry", "attempts"), json!("many"), "at least 1"),
        (&recalled("retry", "attempst"), json!(2), "did you mean `attempts`?"),
        (&recalled("retyr", "attempts"), json!(2), "did you mean `retry`?"),
        (&recalled("retry", "idempotent"), json!(false), "only be written at the attribute"),
        (&recalled("bulkhead", "max"), json!(2), "this call has no `bulkhead`"),
        (&["call", "app::recaled", "retry", "attempts"], json!(2), "did you mean `app::recalled`?"),
        (
            &["call", "app::once", "requires", "enabled"],
            json!(false),
            "stands at the attribute and nowhere else",
        ),
        (&["call", "app::once", "idempotent", "enabled"], json!(false), "cannot be switched off"),
        (&["policies", "requires"], json!(false), "cannot be switched off"),
        (&["policies", "idempotent"], json!(false), "cannot be switched off"),
        (&["policy", "WAREHOSE", "mode"], json!("disabled"), "did you mean `WAREHOUSE`?"),
        (&["http", "listen"], json!("0.0.0.0:1"), "comes into force with a start"),
        (&["admin", "token"], json!("another-token-of-mine"), "comes into force with a start"),
        (&["call", "app::recalled", "timeout"], json!("1s"), "`path` is"),
        (&recalled("timeout", "after"), json!(["1s"]), "`value` is"),
        (&recalled("timeout", "after"), Value::Null, "`value` is"),
    ] {
        let reply = operator.act("set", json!({ "path": path, "value": wanted })).await;
        assert_eq!(reply.status, 422, "{path:?}: {reply:#?}");
        let detail = reply.json()["detail"].as_str().expect("why").to_owned();
        assert!(detail.contains(part), "{path:?}: {detail}");
    }
    // A rule between policies: a queue for a bulkhead that runs without one needs a start.
    let state = operator.state().await;
    assert_eq!(state["overrides"], 0);
    let configuration = operator.configuration().await;
    assert_eq!(number(&configuration, "app::recalled", "retry", "attempts")["value"], "3");
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, "admin_actions_total{action=\"set\",result=\"refused\"}"), Some(17.0));
    assert_eq!(value(&metrics, "admin_actions_total{action=\"set\",result=\"applied\"}"), Some(0.0));
    running.shutdown().await;
}

#[tokio::test]
async fn the_console_is_the_topmost_layer_and_all_of_it_goes_at_once() {
    let running =
        start_with(&format!("[admin]\ntoken = '{TOKEN}'\n[call.\"app::recalled\".retry]\nattempts = 4\n"))
            .await;
    let operator = Operator::of(&running);
    let attempts = ["call", "app::recalled", "retry", "attempts"];
    let done = operator.set(&attempts, json!(5)).await;
    assert_eq!((&done["was"], &done["now"]), (&json!("4"), &json!("5")));
    operator.set(&["call", "app::recalled", "timeout", "after"], json!("150ms")).await;
    let overrides = operator.configuration().await["overrides"].clone();
    assert_eq!(overrides[0], json!({ "path": attempts, "value": "5", "configured": "4" }));
    operator.does("unset_all", json!({})).await;
    let configuration = operator.configuration().await;
    assert_eq!(configuration["overrides"], json!([]));
    assert_eq!(number(&configuration, "app::recalled", "retry", "attempts")["value"], "4");
    assert_eq!(number(&configuration, "app::recalled", "timeout", "after")["value"], "200ms");
    running.shutdown().await;
}
