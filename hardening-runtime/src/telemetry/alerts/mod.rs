//! Who is told of errors: webhooks of Slack and Discord, and signed JSON.
//!
//! Nothing happens where requests are answered. The counters that are there anyway are looked at twice a second, a state
//! machine for each route and call decides who is told of what, and each webhook has a bounded queue and a task of its own.
//! Where there is an objective, the counters of routes are sampled once a minute for their error budgets as well.

mod burn;
#[cfg(test)]
mod burn_tests;
mod message;
mod rules;
mod sink;
mod slo;
mod state;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::message::{About, Erring, Key, Message, key_of};
use self::sink::{Counts, Kind, Sender, Sink, pair};
use self::slo::Slo;
use self::state::{Errors, Rule};
use super::calls::CallOutcome;
use super::http::HttpStats;
use super::text::Family;
use crate::catalogue::sites;
use crate::clock::{self, Nanos};
use crate::connect::http::Client;
use crate::settings::{Hidden, Settings};

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How often the counters are sampled for error budgets.
const SAMPLE: Duration = Duration::from_mins(1);

/// Outcomes of a call that are errors: what the dependency or the code did, not what a policy refused.
const OUTCOMES: [CallOutcome; 3] = [CallOutcome::Failure, CallOutcome::Timeout, CallOutcome::Panicked];

/// The alerts of one service.
#[derive(Debug)]
pub(crate) struct Alerts {
    service: String,
    rule: Rule,
    sinks: Vec<Sink>,
    counts: [Arc<Counts>; Kind::ALL.len()],
    suppressed: AtomicU64,
    /// Looked into by one task, and once at the end.
    watched: Mutex<HashMap<Key, Watched>>,
    /// The error budgets, where there is an objective; looked into by the same task, and shown.
    slo: Option<Mutex<Slo>>,
}

/// The tasks that send.
pub(crate) struct Senders(Vec<Sender>);

impl std::fmt::Debug for Senders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Senders").field(&self.0.len()).finish()
    }
}

#[derive(Debug, Default)]
struct Watched {
    errors: Errors,
    /// What the counters showed at the last look, and at the last message.
    seen: Vec<(String, u64)>,
    told: Vec<(String, u64)>,
}

impl Alerts {
    /// What settings ask for, `None` for nothing; the senders must be run.
    ///
    /// # Errors
    /// What is wrong, a sentence each.
    pub(crate) fn new(settings: &Settings) -> Result<Option<(Arc<Self>, Senders)>, Vec<String>> {
        let alerts = &settings.alerts;
        if alerts.is_off() {
            return Ok(None);
        }
        let mut problems = Vec::new();
        let client = Client::builder()
            .connect_timeout(alerts.timeout)
            .timeout(alerts.timeout)
            .body_limit(64 << 10)
            .unseen()
            .build()
            .map_err(|error| vec![format!("[alerts]: {error}")])?;
        let key: Arc<[u8]> = match key_of(alerts.secret.reveal()) {
            Ok(key) if key.is_empty() && !alerts.json.is_empty() => {
                problems.push(
                    "[alerts] secret is missing: `json` is signed; write a reference such as `secret://env/ALERTS_SECRET`"
                        .to_owned(),
                );
                Arc::default()
            }
            Ok(key) => key.into(),
            Err(why) => {
                problems.push(format!("[alerts] secret is wrong: {why}"));
                Arc::default()
            }
        };
        let counts: [Arc<Counts>; Kind::ALL.len()] = Default::default();
        let of: [(Kind, &[Hidden]); 3] =
            [(Kind::Slack, &alerts.slack), (Kind::Discord, &alerts.discord), (Kind::Json, &alerts.json)];
        let mut pairs = Vec::new();
        for (kind, urls) in of {
            for url in urls {
                match client.speaks(url.reveal()) {
                    Ok(()) => pairs.push(pair(kind, &client, url.reveal(), &key, &counts[kind as usize])),
                    Err(why) => problems.push(format!("[alerts] {}: {why}", kind.name())),
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (sinks, senders) = pairs.into_iter().unzip();
        let rule = Rule {
            errors: alerts.errors.into(),
            window: clock::nanos(alerts.window),
            every: clock::nanos(alerts.every),
        };
        let alerts = Self {
            service: settings.service.name.clone(),
            rule,
            sinks,
            counts,
            suppressed: AtomicU64::new(0),
            watched: Mutex::default(),
            slo: alerts.budget().map(|budget| Mutex::new(Slo::new(budget))),
        };
        Ok(Some((Arc::new(alerts), Senders(senders))))
    }

    /// The rules by which Prometheus watches the error budgets of these settings.
    ///
    /// # Errors
    /// When settings name no objective.
    pub(crate) fn rules(settings: &Settings) -> Result<String, String> {
        match settings.alerts.budget() {
            Some(budget) => Ok(rules::rules(&settings.service.name, budget)),
            None => Err("[alerts] objective is missing: without it no request may be called an error too many; write \
                         `objective = \"99.9%\"`"
                .to_owned()),
        }
    }

    /// Looks at the counters, until it is dropped. What they show already is no news.
    pub(crate) async fn watch(&self, stats: &HttpStats) {
        {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, seen, _) in read(stats) {
                watched.insert(key, Watched { told: seen.clone(), seen, ..Watched::default() });
            }
        }
        let (mut tick, mut minute) = (tokio::time::interval(LOOK), tokio::time::interval(SAMPLE));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.look(stats),
                _ = minute.tick() => self.sample(stats, clock::now()),
            }
        }
    }

    /// Takes the sample of a minute for the error budgets, and tells who must be told.
    fn sample(&self, stats: &HttpStats, now: Nanos) {
        let Some(slo) = &self.slo else { return };
        let mut slo = slo.lock().unwrap_or_else(PoisonError::into_inner);
        for news in slo.sample(self.rule.every, now, slo::shown(stats)) {
            self.tell(About::Budget(news));
        }
    }

    fn tell(&self, about: About) {
        let message = Arc::new(Message {
            id: crate::service::new_id(),
            at: clock::wall_clock(),
            service: self.service.clone(),
            about,
        });
        self.sinks.iter().for_each(|sink| sink.tell(&message));
    }

    /// Looks once, and tells who must be told.
    fn look(&self, stats: &HttpStats) {
        if self.sinks.is_empty() {
            return;
        }
        let now = clock::now();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, seen, example) in read(stats) {
            let known = watched.entry(key.clone()).or_default();
            let more = sum(&seen).saturating_sub(sum(&known.seen));
            known.seen.clone_from(&seen);
            let Some(told) = known.errors.step(&self.rule, now, more) else { continue };
            self.suppressed.fetch_add(told.suppressed, Ordering::Relaxed);
            let before: HashMap<&str, u64> =
                known.told.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
            let kinds = seen.iter().map(|(kind, count)| {
                (kind.clone(), count.saturating_sub(before.get(kind.as_str()).copied().unwrap_or(0)))
            });
            let about = About::Errors(Erring {
                key,
                told,
                window_seconds: self.rule.window / 1_000_000_000,
                kinds: kinds.filter(|(_, count)| *count > 0).collect(),
                example,
            });
            known.told = seen;
            self.tell(about);
        }
    }

    /// Looks a last time, and waits until everybody was told, within this time.
    pub(crate) async fn flush(&self, stats: &HttpStats, within: Duration) {
        self.look(stats);
        let all = async {
            for sink in &self.sinks {
                sink.emptied().await;
            }
        };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("the last alerts were not delivered in time");
        }
    }

    /// Writes its metrics.
    pub(crate) fn render(&self, stats: &HttpStats, out: &mut String) {
        let mut family =
            Family::counter(out, "hardening_alerts_total", "Messages of alerts by what became of them.");
        for kind in Kind::ALL.into_iter().filter(|kind| self.sinks.iter().any(|sink| sink.kind == *kind)) {
            let Counts { delivered, failed, dropped } = &*self.counts[kind as usize];
            for (result, count) in [("delivered", delivered), ("failed", failed), ("dropped", dropped)] {
                family.sample(&[("sink", kind.name()), ("result", result)], count.load(Ordering::Relaxed));
            }
        }
        let help = "Errors that nobody was told of at once, because the last message was too recent.";
        let mut family = Family::counter(out, "hardening_alerts_suppressed_errors_total", help);
        family.sample(&[], self.suppressed.load(Ordering::Relaxed));
        if let Some(slo) = &self.slo {
            slo::render(&slo.lock().unwrap_or_else(PoisonError::into_inner), &self.service, stats, out);
        }
    }

    /// How many series of [`Alerts::render`] depend on the routes, at most.
    pub(crate) fn most_series(&self, stats: &HttpStats) -> usize {
        // Those that share one are one more, and so are those that no route matches.
        self.slo.as_ref().map_or(0, |_| slo::most_series(stats.most_routes() + 2))
    }
}

impl Senders {
    /// Sends until nobody can tell anything any more.
    pub(crate) async fn run(self) {
        let mut tasks = tokio::task::JoinSet::new();
        for sender in self.0 {
            tasks.spawn(sender.run());
        }
        while tasks.join_next().await.is_some() {}
    }
}

type Reading = (Key, Vec<(String, u64)>, Option<(String, String)>);

/// The errors of every route and call so far.
fn read(stats: &HttpStats) -> Vec<Reading> {
    let routes = stats.errors().into_iter();
    let routes = routes.map(|(route, statuses, example)| (Key::Route(route), statuses, example));
    let calls = sites().map(|site| {
        let state = site.shown();
        let count = |outcome: CallOutcome| (outcome.name().to_owned(), state.metrics.calls(outcome));
        (Key::Call(state.name), OUTCOMES.map(count).to_vec(), None)
    });
    routes.chain(calls).collect()
}

fn sum(counts: &[(String, u64)]) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}
