//! What keeps a service from starting besides its settings file: ports, and a shutdown that does not fit.

use std::net::TcpListener;

use crate::ports::free;
use crate::process::Program;
use crate::support::start_with;

#[tokio::test]
async fn a_port_in_use_is_one_line_with_the_setting_to_change() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    for (name, setting) in
        [("HARDENING_HTTP__LISTEN", "http.listen"), ("HARDENING_HTTP__ADMIN", "http.admin")]
    {
        let end = Program::quickstart().with(name, &address).run().await;
        end.refused(&[&address, "the port is in use", setting]);
        assert_eq!(end.log(), Vec::<serde_json::Value>::new());
    }
}

#[tokio::test]
async fn one_port_for_both_listeners_is_refused() {
    let free = free().to_string();
    let program =
        Program::quickstart().with("HARDENING_HTTP__LISTEN", &free).with("HARDENING_HTTP__ADMIN", &free);
    program.run().await.refused(&[&free, "the port is in use", "http.admin"]);
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused() {
    let end = Program::quickstart().with("HARDENING_HTTP__LISTEN", "192.0.2.1:8080").run().await;
    end.refused(&["192.0.2.1:8080", "no such address", "http.listen"]);
}

#[tokio::test]
async fn a_shutdown_that_does_not_fit_into_grace_is_refused_with_its_parts() {
    let parts = |parts: [&str; 5]| {
        let [pre_drain, drain, hooks, sum, grace] = parts;
        [
            format!("shutdown.pre_drain {pre_drain}"),
            format!("shutdown.drain {drain}"),
            format!("shutdown.hooks {hooks}"),
            format!("1s = {sum}"),
            format!("shutdown.grace {grace}"),
        ]
    };
    for (text, expected) in [
        ("shutdown.grace = '25s'", parts(["5s", "15s", "5s", "26s", "25s"])),
        ("shutdown.pre_drain = '10s'", parts(["10s", "15s", "5s", "31s", "30s"])),
        ("shutdown.drain = '20s'", parts(["5s", "20s", "5s", "31s", "30s"])),
        ("shutdown.hooks = '10s'", parts(["5s", "15s", "10s", "31s", "30s"])),
        // The drain is the longest deadline of a request unless it is set.
        ("http.request_timeout = '1m'\nshutdown.drain = '1m'", parts(["5s", "1m", "5s", "1m11s", "30s"])),
    ] {
        let end = Program::quickstart().file(text).run().await;
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        end.refused(&expected);
    }
}

/// A deadline above the usual one is no reason not to start: the shutdown has what is left, and says what it cuts.
#[tokio::test]
async fn a_long_deadline_alone_starts_with_a_word() {
    let end =
        Program::quickstart().file("http.request_timeout = '1m'").with("HARDENING", "check").run().await;
    assert_eq!(end.code, 0, "{}", end.complained);
}

#[tokio::test]
async fn a_shutdown_that_fits_to_the_second_starts() {
    let end = Program::quickstart().file("shutdown.grace = '26s'").with("HARDENING", "check").run().await;
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
}

#[tokio::test]
async fn a_service_under_test_is_held_to_the_same_settings() {
    let refused = start_with(&[], "[shutdown]\npre_drain = '40s'\n[htpp]\nlisten = 'x'").await.unwrap_err();
    assert_eq!(refused.problems().len(), 1, "{refused}");
    assert!(refused.to_string().contains("did you mean `http`?"), "{refused}");
    let refused = start_with(&[], "[shutdown]\npre_drain = '40s'").await.unwrap_err();
    assert!(refused.to_string().contains("shutdown.pre_drain 40s"), "{refused}");
}
