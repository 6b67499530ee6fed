//! `[task."name"]` and `[secrets]` in settings, and both in the manifest.

use crate::app::Deeds;
use crate::process::Program;
use crate::support::start;

#[tokio::test]
async fn a_task_can_be_switched_off_and_its_pauses_changed() {
    let end = Program::office("post")
        .file("[task.relay]\nrestart = 'never'\n[task.stubborn]\nenabled = false\n")
        .with("HARDENING_TASK__FLAKY__RESTART", "5s..1m")
        .with("HARDENING", "describe")
        .run()
        .await;
    let manifest = end.manifest();
    let tasks = manifest["tasks"].as_array().unwrap();
    let of = |name: &str| tasks.iter().find(|task| task["name"] == name).unwrap();
    assert_eq!(
        (&of("relay")["restart"], &of("relay")["declared_restart"]),
        (&"never".into(), &"100ms..1s".into())
    );
    assert_eq!((&of("stubborn")["enabled"], &of("relay")["enabled"]), (&false.into(), &true.into()));
    assert_eq!((&of("flaky")["restart"], &of("consumer")["order"]), (&"5s..1m".into(), &1.into()));
    assert!(of("relay")["file"].as_str().unwrap().ends_with("app.rs"));
    let (service, journal) = start(Deeds::default(), "[task.relay]\nenabled = false").await.unwrap();
    assert!(service.shutdown().await.is_clean());
    assert!(!journal.noted().contains(&"relay ends".to_owned()));
}

#[tokio::test]
async fn mistakes_are_named_with_their_place() {
    for (file, parts) in [
        (
            "[task.rely]\nenabled = false",
            &["hardening.toml:2: [task.\"rely\"] enabled", "did you mean `relay`?"][..],
        ),
        ("[task.relay]\nenabld = false", &["hardening.toml:2", "did you mean `enabled`?"]),
        ("[task.relay]\nrestart = '0s'", &["hardening.toml:2", "without a pause"]),
        ("[task.relay]\nrestart = 5", &["hardening.toml:2", "`1s..60s`, or `never`"]),
        ("[task]\nrelay = 1", &["hardening.toml:2", "write `[task.\"name\"]`"]),
        ("[tsak.relay]\nenabled = false", &["did you mean `task`?"]),
        ("[shutdown]\ntasks = '10s'", &["shutdown.tasks 10s", "longer than shutdown.grace 30s"]),
    ] {
        Program::office("post").file(file).run().await.refused(parts);
    }
    let end = Program::office("post").with("HARDENING_TASK__RELY__ENABLED", "no").run().await;
    end.refused(&["HARDENING_TASK__RELY__ENABLED", "did you mean `HARDENING_TASK__RELAY__…`?"]);
}

#[tokio::test]
async fn tasks_that_are_all_off_need_no_time_at_the_end() {
    let off = |name: &str| format!("[task.{name}]\nenabled = false\n");
    let file = ["consumer", "relay", "stubborn", "flaky"].map(off).concat() + "[shutdown]\ntasks = '10s'\n";
    let end = Program::office("post").file(&file).with("HARDENING", "check").run().await;
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
}

#[tokio::test]
async fn a_secret_that_stands_where_a_reference_belongs_is_refused_and_not_shown() {
    let program = || Program::office("guarded");
    for end in [
        program().file("[secrets]\nkey = 'hunter2'").run().await,
        program().file("[secrets]\nkey = 424242").run().await,
        program().with("HARDENING_SECRETS__KEY", "hunter2").run().await,
    ] {
        end.refused(&["[secrets] key", "write a reference such as `secret://file/run/secrets/key`"]);
        let all = format!("{end:?}");
        assert!(!all.contains("hunter2") && !all.contains("424242"), "{all}");
    }
}

#[tokio::test]
async fn what_is_no_secret_stops_the_start() {
    let large = [b'x'].repeat(65_537);
    for (bytes, part) in [
        (&b""[..], "is empty"),
        (b" \n", "holds nothing but blanks"),
        (b"hunter2\xff", "is no UTF-8"),
        (&large, "is larger than 64 KiB"),
    ] {
        let program = Program::office("guarded");
        let file = program.directory.write("key", bytes);
        let end = program.file(&format!("[secrets]\n\nkey = 'secret://file{file}'")).run().await;
        end.refused(&["hardening.toml:3: [secrets] key: the secret file `", part]);
        assert!(!format!("{end:?}").contains("hunter2"), "{end:?}");
    }
    for (reference, part) in [
        ("secret://file/not/there", "`/not/there` cannot be read"),
        ("secret://env/NOT_THERE", "the environment has no `NOT_THERE`"),
        ("secret://vault/x", "nobody provides `secret://vault/…`; known schemes: `file` or `env`"),
    ] {
        let end = Program::office("guarded").with("HARDENING_SECRETS__KEY", reference).run().await;
        end.refused(&[part]);
    }
    let end = Program::office("guarded").with("HARDENING_SECRETS__KEI", "secret://env/PATH").run().await;
    end.refused(&["settings name no secret `key`; did you mean `kei`?"]);
}

#[tokio::test]
async fn the_manifest_has_references_and_no_secrets() {
    let end = Program::office("guarded")
        .with("HARDENING_SECRETS__KEY", "secret://env/KEY")
        .with("KEY", "hunter2")
        .with("HARDENING", "describe")
        .run()
        .await;
    assert_eq!(end.manifest()["secrets"][0]["reference"], "secret://env/KEY");
    assert!(!format!("{end:?}").contains("hunter2"));
}
