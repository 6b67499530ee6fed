//! What whoever has the token can do.

use std::sync::atomic::Ordering;

use hardening_spec::CircuitMode;
use serde_json::Value as Json;

use super::Console;
use super::audit::{Action, Deed};
use super::configuration::shown;
use crate::clock;
use crate::service::server::Server;
use crate::service::shutdown::{Event, Stage};
use crate::service::targets;
use crate::settings::value::{Entry, Origin, Value};
use crate::telemetry::calls::{Circuits, circuits_of};

/// Does what is asked for, or says why not.
///
/// # Errors
/// With the same, and why it was not done.
pub(super) fn run(server: &Server, console: &Console, action: Action, asked: &Json) -> Result<Deed, Deed> {
    let mut deed = Deed::default();
    let done = match action {
        Action::Verify | Action::Read => Ok(()),
        Action::Set => set(console, asked, &mut deed),
        Action::Unset => unset(console, asked, &mut deed),
        Action::UnsetAll => unset_all(console, &mut deed),
        Action::Close | Action::Reset => circuit(console, action, asked, &mut deed),
        Action::Drain => drain(server, console, &mut deed),
    };
    match done {
        Ok(()) => Ok(deed),
        Err(why) => Err(Deed { why, ..deed }),
    }
}

fn set(console: &Console, asked: &Json, deed: &mut Deed) -> Result<(), String> {
    let path = path(asked)?;
    deed.what = path.join(".");
    let value = match &asked["value"] {
        Json::String(text) => Value::Text(text.clone()),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::Float(number),
            (None, None) => return Err("`value` is no number that a setting could have".to_owned()),
        },
        _ => return Err("`value` is a string, a number, `true` or `false`".to_owned()),
    };
    deed.was = now(console, &path);
    let entry =
        Entry { path: path.clone(), value, origin: Origin::Console, secret: false, files: Vec::new() };
    change(console, &path, Some(entry))?;
    if console.reloader.says_nothing(&path) {
        // What is configured anyway is no override.
        change(console, &path, None)?;
    }
    deed.now = now(console, &path);
    Ok(())
}

fn unset(console: &Console, asked: &Json, deed: &mut Deed) -> Result<(), String> {
    let path = path(asked)?;
    deed.what = path.join(".");
    if !console.reloader.look(|in_force| in_force.console.iter().any(|entry| entry.path == path)) {
        return Err("nothing was set there in the console".to_owned());
    }
    deed.was = now(console, &path);
    change(console, &path, None)?;
    deed.now = now(console, &path);
    Ok(())
}

fn unset_all(console: &Console, deed: &mut Deed) -> Result<(), String> {
    let paths: Vec<_> =
        console.reloader.look(|in_force| in_force.console.iter().map(|entry| entry.path.clone()).collect());
    deed.what = paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(", ");
    console.reloader.set(Vec::clear).map_err(|problems| problems.join("\n"))?;
    for path in &paths {
        settle(console, path);
    }
    Ok(())
}

/// Replaces what the console says at a path, and has circuits follow.
fn change(console: &Console, path: &[String], entry: Option<Entry>) -> Result<(), String> {
    let done = console.reloader.set(|entries| {
        entries.retain(|known| known.path != path);
        entries.extend(entry);
    });
    done.map_err(|problems| {
        let plain = |problem: &String| problem.strip_prefix("the console: ").unwrap_or(problem).to_owned();
        problems.iter().map(plain).collect::<Vec<_>>().join("\n")
    })?;
    settle(console, path);
    Ok(())
}

/// Gives a circuit the mode that settings say, also where code had forced another.
fn settle(console: &Console, path: &[String]) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (["call", name, "circuit_breaker", "mode" | "enabled"] | ["policy", name, "mode" | "enabled"]) =
        path[..]
    else {
        return;
    };
    let Some(circuits) = named(name) else { return };
    let spec = console.reloader.look(|in_force| targets::effective(&in_force.loaded, path[0], name));
    let breaker = spec.and_then(|spec| spec.circuit_breaker);
    let mode = breaker.map_or(CircuitMode::Disabled, |breaker| breaker.mode);
    match circuits {
        Circuits::One(breaker) => breaker.give_mode(mode.into()),
        Circuits::Keyed(_, keyed) => keyed.set_mode(mode.into()),
    }
}

fn circuit(console: &Console, action: Action, asked: &Json, deed: &mut Deed) -> Result<(), String> {
    let name = asked["circuit"].as_str().ok_or("`circuit` is the name of one")?;
    name.clone_into(&mut deed.what);
    let circuits = named(name).ok_or_else(|| format!("there is no circuit `{name}`"))?;
    deed.was = states(circuits);
    if action == Action::Reset {
        let spoken_of: Vec<_> = console.reloader.look(|in_force| {
            let of_it = |entry: &&Entry| match entry.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["call", call, "circuit_breaker", "mode"] => call == name,
                ["policy", policy, "mode"] => policy == name,
                _ => false,
            };
            in_force.console.iter().filter(of_it).map(|entry| entry.path.clone()).collect()
        });
        for path in spoken_of {
            change(console, &path, None)?;
        }
        match circuits {
            Circuits::One(breaker) => breaker.renew(clock::now()),
            Circuits::Keyed(_, keyed) => keyed.renew(clock::now()),
        }
    } else {
        match circuits {
            Circuits::One(breaker) => breaker.close(),
            Circuits::Keyed(_, keyed) => keyed.close(),
        }
    }
    deed.now = states(circuits);
    Ok(())
}

fn drain(server: &Server, console: &Console, deed: &mut Deed) -> Result<(), String> {
    let stage = *server.stages().borrow();
    deed.was = format!("{stage:?}");
    let Some(events) = console.drain.get() else {
        return Err("nobody takes the word to shut down".to_owned());
    };
    if stage != Stage::Serving || console.drains.swap(true, Ordering::AcqRel) {
        return Err("the shutdown has begun already".to_owned());
    }
    if events.send(Event::Terminate).is_err() {
        return Err("nobody takes the word to shut down".to_owned());
    }
    "shutting down".clone_into(&mut deed.now);
    Ok(())
}

/// The circuit of a call or of a shared policy.
fn named(name: &str) -> Option<Circuits<'static>> {
    let states: Vec<_> = crate::catalogue::sites().map(crate::site::Site::shown).collect();
    circuits_of(&states).into_iter().find(|circuits| circuits.name() == name)
}

fn states(circuits: Circuits<'_>) -> String {
    use crate::policy::circuit_breaker::CircuitState;
    match circuits {
        Circuits::One(breaker) => breaker.state(clock::now()).name().to_owned(),
        Circuits::Keyed(_, keyed) => {
            let counts = CircuitState::ALL.into_iter().zip(keyed.states(clock::now()));
            let some = counts.filter(|(_, count)| *count > 0);
            some.map(|(state, count)| format!("{count} {}", state.name())).collect::<Vec<_>>().join(", ")
        }
    }
}

fn now(console: &Console, path: &[String]) -> String {
    console.reloader.look(|in_force| shown(&in_force.loaded, path))
}

/// The path of a number that changes while the service runs.
fn path(asked: &Json) -> Result<Vec<String>, String> {
    let parts = asked["path"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Option<Vec<&str>> = parts.iter().map(Json::as_str).collect();
    match texts.as_deref() {
        Some(["call", _, _, _] | ["policy", _, _] | ["policies", _]) => {
            Ok(texts.unwrap_or_default().into_iter().map(str::to_owned).collect())
        }
        _ => Err("`path` is `[\"call\", name, policy, key]`, `[\"policy\", name, key]` or `[\"policies\", kind]`; \
                  every other setting comes into force with a start"
            .to_owned()),
    }
}
