//! `HARDENING=check`, `HARDENING=probe`, and words that are neither.

use crate::client::get;
use crate::process::{Directory, End, Program};
use crate::support::{readiness, until};

async fn asked(word: &str) -> End {
    Program::quickstart().with("HARDENING", word).run().await
}

#[tokio::test]
async fn check_says_0_to_a_right_configuration_and_serves_nothing() {
    let end = asked("check").await;
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
    assert_eq!(end.said, ["the configuration is valid"]);
    // Ports are not its business: it may run beside the instance that holds them.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let program = Program::quickstart().with("HARDENING_HTTP__LISTEN", &address);
    assert_eq!(program.with("HARDENING", "check").run().await.code, 0);
}

#[tokio::test]
async fn check_says_1_to_a_wrong_one_with_everything_that_is_wrong() {
    let program = Program::quickstart().file("[http]\nlisen = 'x'\nconnections = 0\n");
    let end = program.with("HARDENING", "check").run().await;
    assert_eq!(end.refusals().len(), 2, "{end:?}");
    assert_eq!(end.said, Vec::<String>::new());
    let end = Program::quickstart().file("shutdown.grace = '9s'").with("HARDENING", "check").run().await;
    end.refused(&["shutdown.pre_drain 5s", "shutdown.grace 9s"]);
    // What only the start would find.
    let end = Program::quickstart().file("[alerts]\njson = ['https://alerts.example']");
    end.with("HARDENING", "check").run().await.refused(&["[alerts]"]);
}

/// What a section needs of the binary is found out at the start, after the settings are read.
#[tokio::test]
async fn check_refuses_what_the_start_refuses_in_every_section() {
    for (settings, part) in [
        ("[alerts]\njson = ['http://127.0.0.1:1/hook']", "[alerts]"),
        ("[telemetry]\notlp_endpoint = 'http://127.0.0.1:1'", "[telemetry]"),
        ("[auth]\napi_keys = 'callers.toml'", "[auth]"),
    ] {
        let program = || Program::quickstart().file(settings);
        let check = program().with("HARDENING", "check").run().await;
        if check.code == 0 {
            // Another package of the same build has asked for the feature that is asked for here.
            assert_eq!(part, "[telemetry]");
            program().serve().await;
            continue;
        }
        check.refused(&[part]);
        let start = program().run().await;
        assert_eq!(start.refusals(), check.refusals(), "{settings}");
    }
}

#[tokio::test]
async fn check_warns_of_what_is_doubtful() {
    let program = Program::quickstart().file("[call.price.circuit_breaker]\nmin_calls = 3");
    let end = program.with("HARDENING", "check").run().await;
    assert_eq!(end.code, 0);
    assert!(end.complained.starts_with("warning: hardening.toml:2: `price`: "), "{end:?}");
}

#[tokio::test]
async fn an_unknown_word_is_refused_with_the_nearest() {
    asked("descibe").await.refused(&["HARDENING: ", "`descibe`", "did you mean `describe`?"]);
    asked("serve").await.refused(&["`serve`", "known: `describe`, `check`, `probe` or `rules`"]);
    asked("CHECK").await.refused(&["`CHECK`", "did you mean `check`?"]);
}

#[tokio::test]
async fn an_empty_word_serves() {
    let service = Program::quickstart().with("HARDENING", "").serve().await;
    assert_eq!(get(service.addr, "/livez").await.status, 200);
}

#[tokio::test]
async fn probe_says_0_while_the_instance_is_ready_and_1_otherwise() {
    let service = Program::quickstart()
        // Nobody else gets the port once it has ended.
        .with("HARDENING_HTTP__LISTEN", &crate::ports::free().to_string())
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "9s")
        .with("HARDENING_SHUTDOWN__DRAIN", "1s")
        .serve()
        .await;
    let listen = service.addr.to_string();
    let probe =
        || Program::quickstart().with("HARDENING_HTTP__LISTEN", &listen).with("HARDENING", "probe").run();
    readiness(service.addr, 200).await;
    let end = probe().await;
    assert_eq!((end.code, end.complained.as_str(), end.said.as_slice()), (0, "", &["ready".to_owned()][..]));

    service.signal("TERM");
    readiness(service.addr, 503).await;
    probe().await.refused(&[&listen, "503", "not ready"]);

    service.signal("TERM");
    assert_eq!(service.ended().await.code, 0);
    probe().await.refused(&[&listen, "does not answer"]);
}

#[tokio::test]
async fn probe_says_1_to_what_does_not_speak_http_or_says_nothing() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = silent.local_addr().unwrap().to_string();
    let probe =
        || Program::quickstart().with("HARDENING_HTTP__LISTEN", &listen).with("HARDENING", "probe").run();
    let began = tokio::time::Instant::now();
    probe().await.refused(&[&listen, "does not answer"]);
    crate::support::took(began, 1500, 5000);
    let answer = async {
        // Who waited in the backlog has given up.
        loop {
            let (stream, _) = silent.accept().await.unwrap();
            let _ = stream.try_write(b"SSH-2.0-OpenSSH_9.0\r\n");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = answer => {}
        end = probe() => end.refused(&[&listen, "no HTTP answer"]),
    }
}

#[tokio::test]
async fn probe_reaches_an_instance_that_listens_on_every_interface() {
    let service = Program::quickstart().with("HARDENING_HTTP__LISTEN", "0.0.0.0:0").serve().await;
    let listen = service.addr.to_string();
    assert!(listen.starts_with("0.0.0.0:"));
    until("ready", || async {
        let program = Program::quickstart().with("HARDENING_HTTP__LISTEN", &listen);
        program.with("HARDENING", "probe").run().await.code == 0
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn probe_asks_at_a_unix_socket() {
    let directory = Directory::new();
    let listen = format!("unix:{}", directory.path("office.sock"));
    let probe =
        || Program::quickstart().with("HARDENING_HTTP__LISTEN", &listen).with("HARDENING", "probe").run();
    probe().await.refused(&[&listen, "does not answer"]);
    let running = crate::support::start(&format!("http.listen = '{listen}'")).await;
    readiness(running.admin_addr, 200).await;
    assert_eq!(probe().await.code, 0);
    assert!(running.shutdown().await.is_clean());
    probe().await.refused(&[&listen, "does not answer"]);
}

#[tokio::test]
async fn an_argument_asks_as_the_variable_does_and_wins_over_it() {
    let end = Program::quickstart().argument("--hardening=check").with("HARDENING", "probe").run().await;
    assert_eq!((end.code, end.said), (0, vec!["the configuration is valid".to_owned()]));
    let end = Program::quickstart().argument("--hardening=chek").run().await;
    end.refused(&["--hardening: unknown operation `chek`", "did you mean `check`?"]);
    Program::quickstart().argument("--hardening").run().await.refused(&["`--hardening=probe`"]);
}
