//! The audit: every action of the console, also what was refused, as a log line, in a ring, and counted. What changed nothing has
//! a ring of its own, so that nobody pushes out what did.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hardening_spec::{Rate, RateLimitSpec};
use serde_json::{Value, json};

use crate::clock::{self, Nanos};
use crate::policy::rate_limit::{Decision, Limiter};
use crate::service::address::Shown;
use crate::telemetry::text::Family;

/// How many records of changes the console shows.
const KEPT: usize = 200;
/// And how many of what changed nothing: attempts, refusals, and tokens that were the one.
const KEPT_BESIDE: usize = 100;

/// Attempts of strangers that are noted one by one, of all of them together: their lines are never dropped.
const OF_STRANGERS: Rate = Rate::per_secs(300, 60);

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
    /// Whoever asked has been refused or denied too often, and waits.
    Throttled,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Applied, Self::Refused, Self::Denied, Self::Throttled];

    const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
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

/// The last records, the oldest first.
#[derive(Debug, Default)]
struct Records {
    changes: VecDeque<Record>,
    others: VecDeque<Record>,
    next: u64,
}

/// The audit of one service.
#[derive(Debug)]
pub(super) struct Audit {
    records: Mutex<Records>,
    strangers: Limiter,
    counts: [[AtomicU64; Outcome::ALL.len()]; Action::ALL.len()],
}

impl Default for Audit {
    fn default() -> Self {
        let strangers = Limiter::new(
            "audit",
            RateLimitSpec { burst: Some(OF_STRANGERS.count), ..RateLimitSpec::new(OF_STRANGERS) },
        );
        Self { records: Mutex::default(), strangers, counts: Default::default() }
    }
}

impl Audit {
    /// Counts what nobody was let do for now, and notes it nowhere else.
    pub(super) fn throttled(&self, action: Action) {
        self.count(action, Outcome::Throttled);
    }

    fn count(&self, action: Action, outcome: Outcome) {
        self.counts[action as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note(&self, asker: Asker<'_>, action: Action, outcome: Outcome, deed: Deed) {
        self.count(action, outcome);
        if !asker.known && matches!(self.strangers.check(0, 1, clock::now()), Decision::Refused { .. }) {
            return;
        }
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
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let records = &mut *records;
        let changes = outcome == Outcome::Applied && action != Action::Verify;
        let (kept, most) =
            if changes { (&mut records.changes, KEPT) } else { (&mut records.others, KEPT_BESIDE) };
        if kept.len() == most {
            kept.pop_front();
        }
        kept.push_back(Record {
            number: records.next,
            at: clock::now(),
            action,
            outcome,
            deed,
            client: asker.client,
            request_id: request_id.to_owned(),
            known: asker.known,
        });
        records.next += 1;
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
        let mut all: Vec<&Record> = records.changes.iter().chain(&records.others).collect();
        all.sort_by_key(|record| Reverse(record.number));
        all.into_iter().map(write).collect()
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
            audit.note(asker, Action::Set, Outcome::Applied, Deed::default());
            let deed = Deed { what: "ä".repeat(1000), ..Deed::default() };
            audit.note(asker, Action::Set, Outcome::Refused, deed);
        }
        let list = audit.list(clock::now());
        let list = list.as_array().unwrap();
        assert_eq!((list.len(), &list[0]["number"]), (KEPT + KEPT_BESIDE, &json!(2 * KEPT + 1)));
        assert_eq!(list[0]["what"].as_str().unwrap().chars().count(), LONGEST + 1);
        let mut out = String::new();
        audit.render(&mut out);
        assert!(out.contains("admin_actions_total{action=\"set\",result=\"refused\"} 201\n"), "{out}");
        assert!(out.contains("admin_actions_total{action=\"drain\",result=\"applied\"} 0\n"), "{out}");
    }

    #[test]
    fn what_changes_nothing_pushes_out_no_change_and_strangers_fill_no_log() {
        let audit = Audit::default();
        let known = Asker { client: None, request_id: "id", known: true };
        audit.note(
            known,
            Action::Set,
            Outcome::Applied,
            Deed { what: "a change".to_owned(), ..Deed::default() },
        );
        for _ in 0..1000 {
            audit.note(Asker { known: false, ..known }, Action::Drain, Outcome::Denied, Deed::default());
            audit.note(known, Action::Set, Outcome::Refused, Deed::default());
            audit.note(known, Action::Verify, Outcome::Applied, Deed::default());
            audit.throttled(Action::Drain);
        }
        let list = audit.list(clock::now());
        let list = list.as_array().unwrap();
        assert_eq!((list.len(), &list[KEPT_BESIDE]["what"]), (KEPT_BESIDE + 1, &json!("a change")));
        // All of them are counted, and the first of them noted.
        let mut out = String::new();
        audit.render(&mut out);
        for result in ["denied", "throttled"] {
            let line = format!("admin_actions_total{{action=\"drain\",result=\"{result}\"}} 1000\n");
            assert!(out.contains(&line), "{out}");
        }
        let noted = audit.records.lock().unwrap().next - 2001;
        assert!((300..310).contains(&noted), "{noted}");
    }
}
