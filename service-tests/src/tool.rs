//! Programs that others wrote. Where one is not here the test that needs it says so aloud and ends; where they are required, as in
//! `cargo xtask test`, that is a failure.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Whether every program must be here.
pub fn required() -> bool {
    std::env::var("HARDENING_TEST_TOOLS").is_ok_and(|tools| tools == "required")
}

/// A program that runs until it is dropped, or nothing where it is not here and need not be.
pub fn spawned(command: &mut Command) -> Option<Child> {
    match command.kill_on_drop(true).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            let program = command.as_std().get_program().display();
            assert!(!required(), "{program} cannot run: {error}");
            eprintln!("{program} is not here, so it judges nothing");
            None
        }
    }
}

/// Whether a program was content, and what it wrote.
pub async fn said(command: &mut Command) -> Option<(bool, String)> {
    let tool = spawned(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    // A busy machine is no finding.
    let ended = timeout(Duration::from_mins(10), tool.wait_with_output()).await;
    let ended = ended.expect("it ends in time").expect("it ends");
    let said = [ended.stdout, ended.stderr].concat();
    Some((ended.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
