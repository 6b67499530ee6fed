//! The audit: every action of the console, also what was refused, as a log line, in a ring, and counted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::clock::{self, Nanos};
use crate::service::address::Shown;
use crate::telemetry::text::Family;

/// How many records the console shows.
const KEPT: usize = 200;

/// The longest part of a record, in characters.
const LONGEST: usize = 300;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Is this the token?
    Verify,
    /// Set a number, a mode or a switch.
    Set,
    /// Take one such setting back.
    Unset,
    /// Take all of them back.
    UnsetAll,
    /// Close a circuit.
    Close,
    /// Have a circuit begin afresh, as configured.
    Reset,
    /// Shut the service down.
    Drain,
    /// Read, with a token that is not the one.
    Read,
}

impl Action {
    pub(super) const ALL: [Self; 8] = [
        Self::Verify,
        Self::Set,
        Self::Unset,
        Self::UnsetAll,
        Self::Close,
        Self::Reset,
        Self::Drain,
        Self::Read,
    ];

    /// Its name in paths, metrics and the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Set => "set",
            Self::Unset => "unset",
            Self::UnsetAll => "unset_all",
            Self::Close => "close",
            Self::Reset => "reset",
            Self::Drain => "drain",
            Self::Read => "read",
        }
    }

    /// The action that a path names; reading is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name && *action != Self::Read)
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Applied,
    /// It breaks a rule, or there is nothing of that name.
    Refused,
    /// Whoever asked may not.
    Denied,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Applied, Self::Refused, Self::Denied];

    const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Denied => "denied",
        }
    }
}

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) client: Option<IpAddr>,
    pub(super) request_id: &'a str,
    /// Whether the token was the one.
    pub(super) known: bool,
}

/// What was asked for, and what it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) what: String,
    pub(super) was: String,
    pub(super) now: String,
    /// Why it was not done.
    pub(super) why: String,
}

#[derive(Debug)]
struct Record {
    number: u64,
    at: Nanos,
    action: Action,
    outcome: Outcome,
    deed: Deed,
    client: Option<IpAddr>,
    request_id: String,
    known: bool,
}

/// The audit of one service.
#[derive(Debug, Default)]
pub(super) struct Audit {
    records: Mutex<(VecDeque<Record>, u64)>,
    counts: [[AtomicU64; Outcome::ALL.len()]; Action::ALL.len()],
}

impl Audit {
    pub(super) fn note(&self, asker: Asker<'_>, action: Action, outcome: Outcome, deed: Deed) {
        let deed = Deed { what: cut(deed.what), was: cut(deed.was), now: cut(deed.now), why: cut(deed.why) };
        let who = who(asker.known);
        let (client, request_id) = (Shown(asker.client), asker.request_id);
        let Deed { what, was, now, why } = &deed;
        if outcome == Outcome::Applied {
            tracing::info!(
                target: "hardening::audit",
                action = action.name(), result = outcome.name(), who, %client, request_id, what, was, now,
                "admin action"
            );
        } else {
            tracing::warn!(
                target: "hardening::audit",
                action = action.name(), result = outcome.name(), who, %client, request_id, what, why,
                "admin action"
            );
        }
        self.counts[action as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, number) = &mut *records;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Record {
            number: *number,
            at: clock::now(),
            action,
            outcome,
            deed,
            client: asker.client,
            request_id: request_id.to_owned(),
            known: asker.known,
        });
        *number += 1;
    }

    /// The last records, newest first.
    pub(super) fn list(&self, now: Nanos) -> Value {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |record: &Record| {
            json!({
                "number": record.number,
                "age_ms": now.saturating_sub(record.at) / 1_000_000,
                "action": record.action.name(),
                "result": record.outcome.name(),
                "what": record.deed.what,
                "was": record.deed.was,
                "now": record.deed.now,
                "why": record.deed.why,
                "who": who(record.known),
                "client": Shown(record.client).to_string(),
                "request_id": record.request_id,
            })
        };
        records.0.iter().rev().map(write).collect()
    }

    /// Writes how often each action was asked for.
    pub(super) fn render(&self, out: &mut String) {
        let help = "Actions asked for in the console by what became of them.";
        let mut family = Family::counter(out, "admin_actions_total", help);
        for action in Action::ALL {
            for outcome in Outcome::ALL {
                let count = self.counts[action as usize][outcome as usize].load(Ordering::Relaxed);
                family.sample(&[("action", action.name()), ("result", outcome.name())], count);
            }
        }
    }
}

const fn who(known: bool) -> &'static str {
    if known { "admin token" } else { "unknown" }
}

/// Records are of bounded size, whatever was sent.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_known_by_their_names_and_reading_is_none() {
        for action in Action::ALL {
            let known = (action != Action::Read).then_some(action);
            assert_eq!(Action::named(action.name()), known);
        }
        assert_eq!(Action::named("SET"), None);
    }

    #[test]
    fn records_are_bounded_in_number_and_size() {
        let audit = Audit::default();
        let asker = Asker { client: Some(IpAddr::from([127, 0, 0, 1])), request_id: "id", known: true };
        for _ in 0..=KEPT {
            let deed = Deed { what: "ä".repeat(1000), ..Deed::default() };
            audit.note(asker, Action::Set, Outcome::Refused, deed);
        }
        let list = audit.list(clock::now());
        let list = list.as_array().unwrap();
        assert_eq!((list.len(), &list[0]["number"]), (KEPT, &json!(KEPT)));
        assert_eq!(list[0]["what"].as_str().unwrap().chars().count(), LONGEST + 1);
        let mut out = String::new();
        audit.render(&mut out);
        assert!(out.contains("admin_actions_total{action=\"set\",result=\"refused\"} 201\n"), "{out}");
        assert!(out.contains("admin_actions_total{action=\"drain\",result=\"applied\"} 0\n"), "{out}");
    }
}
