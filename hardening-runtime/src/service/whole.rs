//! What only the whole tells: settings of several sections together, judged at the start and at each reload, and names
//! that are there twice.

use std::time::Duration;

use hardening_spec::units::show;

use super::address::unix_path;
use super::shutdown::Plan;
use super::{health, limit, tasks};
use crate::names::{self, Renamed};
use crate::settings::{Settings, cors, env_name};

/// The plan of a shutdown under these settings.
pub(super) fn plan(settings: &Settings) -> Plan {
    let shutdown = &settings.shutdown;
    Plan {
        pre_drain: shutdown.pre_drain,
        drain: settings.drain(),
        tasks: if tasks::any(settings) { shutdown.tasks } else { Duration::ZERO },
        hooks: shutdown.hooks,
        grace: shutdown.grace,
    }
}

/// Whether a service can start with settings each of which is right.
///
/// # Errors
/// With what does not fit together.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    plan(settings).check()?;
    limit::check(&settings.http)?;
    cors::check(&settings.http)?;
    if !settings.tls.is_off() && unix_path(&settings.http.listen).is_some() {
        return Err(
            "`http.listen` is a Unix socket, where nobody speaks TLS: write an address and a port there, or take \
             `[tls]` away"
                .to_owned(),
        );
    }
    Ok(())
}

/// What is right and may not be meant.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let (longest, drain) = (settings.http.request_timeout, settings.drain());
    if longest > drain {
        warnings.push(format!(
            "requests may take {} (`http.request_timeout`), but a shutdown waits {} for them: those that take longer are cut then; \
             raise `shutdown.grace`, and with it what the platform allows, or lower `http.request_timeout`",
            show(longest),
            show(drain)
        ));
    }
    if cfg!(panic = "abort") {
        warnings.push(
            "the program is built with `panic = \"abort\"`: a panic of a handler, a call or a task ends the whole process; take \
             that out of the profile in Cargo.toml"
                .to_owned(),
        );
    }
    warnings
}

/// What other crates declare under a name, or a form of it in the environment, that was in use.
pub(super) fn renamed() -> impl Iterator<Item = String> {
    let all = names::renamed().iter().chain(health::renamed()).chain(tasks::renamed());
    all.map(|Renamed { name, declared }| {
        // Of two services that have one name, both have their crates in front.
        let full = declared.full();
        let wanted = if full == *name { declared.written } else { &full };
        format!(
            "`{wanted}` of the package `{}` ({}:{}) is called `{name}` here, since that name is in use: its authors can write \
             `name = \"…\"` in its attribute",
            declared.krate, declared.file, declared.line
        )
    })
}

/// Health checks and background tasks that nothing could tell apart.
pub(super) fn twins() -> Vec<String> {
    let checks = health::checks();
    let tasks = tasks::tasks();
    let mut problems = Vec::new();
    for (at, check) in checks.iter().enumerate() {
        if let Some(other) = checks[..at].iter().find(|other| other.name == check.name) {
            problems.push(format!(
                "two health checks are named `{}`, at {}:{} and {}:{}: write `name = \"…\"` in the `#[health_check]` of one",
                check.name, other.file, other.line, check.file, check.line
            ));
        }
    }
    for (at, task) in tasks.iter().enumerate() {
        let variable = env_name(task.name);
        let before = &tasks[..at];
        let (other, what) = if let Some(other) = before.iter().find(|other| other.name == task.name) {
            (other, format!("two background tasks are named `{}`", task.name))
        } else if let Some(other) = before.iter().find(|other| env_name(other.name) == variable) {
            let both = format!("the background tasks `{}` and `{}` are both", other.name, task.name);
            (other, format!("{both} `HARDENING_TASK__{variable}__…` in the environment"))
        } else {
            continue;
        };
        problems.push(format!(
            "{what}, at {}:{} and {}:{}: write `name = \"…\"` in the `#[background]` of one",
            other.file, other.line, task.file, task.line
        ));
    }
    problems
}
