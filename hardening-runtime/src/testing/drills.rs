//! The promises of every call in the binary, kept or broken.
//!
//! A drill runs the site of a call on paused time: its policies with the numbers in force, in their order, around a body of the
//! drill's own. What it shows is that a policy is there, that it does what its attribute says, and that its numbers work
//! together; of the user's body and patterns it says nothing.

mod answers;
mod hedges;
mod promises;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hardening_spec::units::show;
use hardening_spec::{CallSpec, CircuitMode};

use super::drill::{Body, End, call};
use crate::catalogue;
use crate::names::env_name;
use crate::site::Site;

/// One promise of one attribute.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The call.
    pub call: &'static str,
    /// The source file of its attribute.
    pub file: &'static str,
    /// The line.
    pub line: u32,
    /// The attribute.
    pub policy: &'static str,
    /// What it promises, with its numbers.
    pub text: String,
    /// `Err` says how it was broken.
    pub kept: Result<(), String>,
}

/// Every promise of every call.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the calls' names.
    pub promises: Vec<Promise>,
    /// What was not drilled, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// The promises that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &Promise> {
        self.promises.iter().filter(|promise| promise.kept.is_err())
    }

    /// Prints every promise.
    ///
    /// # Panics
    /// When one was broken, or no call promises anything: then nothing is protected.
    #[track_caller]
    pub fn assert(&self) {
        println!("{self}");
        assert!(self.broken().next().is_none(), "promises were broken:\n{self}");
        assert!(
            !self.promises.is_empty(),
            "no call in this binary promises anything: are its crates linked?"
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Promise { call, file, line, policy, text, kept } in &self.promises {
            match kept {
                Ok(()) => writeln!(f, "kept    {call} {policy}: {text} ({file}:{line})")?,
                Err(why) => writeln!(f, "BROKEN  {call} {policy}: {text} ({file}:{line}): {why}")?,
            }
        }
        for left_out in &self.left_out {
            writeln!(f, "not drilled  {left_out}")?;
        }
        let broken = self.broken().count();
        write!(f, "{} promises kept, {broken} broken", self.promises.len() - broken)
    }
}

/// Drills every call in the binary, on paused time of its own. No other test that asks for [`alone`](super::alone) runs
/// meanwhile.
///
/// # Panics
/// When the runtime for it cannot be made.
pub fn drill() -> Report {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime with a clock").block_on(drill_all())
    };
    // A thread of its own, since the caller's may belong to a runtime.
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn drill_all() -> Report {
    let _alone = super::alone();
    super::seed(7);
    let mut sites: Vec<&'static Site> = catalogue::sites().collect();
    sites.sort_by_key(|site| site.name());
    let mut report = Report::default();
    for (at, site) in sites.iter().enumerate() {
        report.promises.extend(sites[..at].iter().find_map(|other| same_name(site, other)));
    }
    for site in sites {
        let mut drill = Drill { site, spec: site.effective(), report: &mut report, key: 0 };
        drill.all().await;
    }
    report
}

/// What the start of a service would refuse: nothing tells the two calls apart.
fn same_name(site: &'static Site, other: &'static Site) -> Option<Promise> {
    let (name, at) = (site.name(), other.place());
    (env_name(name) == env_name(other.name())).then(|| Promise {
        call: name,
        file: site.place().file,
        line: site.place().line,
        policy: "hardened",
        text: "its name tells it apart".to_owned(),
        kept: Err(format!(
            "settings cannot tell it from `{}` at {}:{}: write `name = \"…\"` in the attributes of one",
            other.name(),
            at.file,
            at.line
        )),
    })
}

struct Drill<'r> {
    site: &'static Site,
    /// What is in force.
    spec: CallSpec,
    report: &'r mut Report,
    /// Each drill has keys of its own.
    key: u64,
}

type Kept = Result<(), String>;

fn that(holds: bool, otherwise: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The clock's timers go by milliseconds.
const TICK: Duration = Duration::from_millis(2);

impl Drill<'_> {
    async fn all(&mut self) {
        let declared = *self.site.declared();
        let spec = self.spec;
        if let Some(scope) = declared.requires {
            let text = format!("who does not hold `{scope}` is refused");
            let kept = self.requires().await;
            self.promise("requires", text, kept);
        }
        if let Some(timeout) = spec.timeout {
            let kept = self.timeout(timeout).await;
            self.promise("timeout", format!("an attempt is cut after {}", show(timeout)), kept);
        }
        if let Some(deadline) = spec.deadline {
            let kept = self.deadline(deadline).await;
            self.promise("deadline", format!("the call is over after {}", show(deadline)), kept);
        }
        if let Some(retry) = spec.retry {
            let kept = self.retry(retry.attempts).await;
            self.promise(
                "retry",
                format!("a failure is repeated, {} attempts at most", retry.attempts),
                kept,
            );
            if let Some(share) = retry.budget {
                let kept = self.budget(share.millionths).await;
                let percent = f64::from(share.millionths) / 10_000.0;
                self.promise(
                    "retry",
                    format!("in an outage {percent} % of the calls are repeated, and 30"),
                    kept,
                );
            }
        }
        if let Some(breaker) = spec.circuit_breaker {
            if breaker.adaptive.is_some() {
                let kept = self.throttle().await;
                self.promise(
                    "circuit_breaker",
                    "a share of the calls is refused in an outage".to_owned(),
                    kept,
                );
            } else if breaker.mode == CircuitMode::Automatic {
                let kept = self.circuit(breaker.probes).await;
                let text = format!("it opens on failures and closes after {} probes", breaker.probes);
                self.promise("circuit_breaker", text, kept);
            } else {
                self.leave_out("circuit_breaker", breaker.mode.name());
            }
        }
        if let Some((_, limit)) = spec.limits().next() {
            let tightest = spec.limits().map(|(_, limit)| limit.burst()).min().unwrap_or(0);
            let kept = self.limits(tightest, *limit).await;
            let text =
                format!("after {tightest} calls at once the next waits its turn or is told when to return");
            self.promise("rate_limited", text, kept);
        }
        if spec.bulkhead.is_some() {
            if let Some(why) = self.too_much_room() {
                self.leave_out("bulkhead", &why);
            } else {
                let kept = self.bulkhead().await;
                let places = self.site.state().bulkhead.occupancy().map_or(0, |(places, _, _)| places);
                self.promise("bulkhead", format!("{places} run at once, and dropped ones leave"), kept);
            }
        }
        if spec.fallback.is_some() {
            let kept = self.fallback().await;
            self.promise("fallback", "it answers instead of a failure".to_owned(), kept);
        }
        if let Some(idempotent) = spec.idempotent {
            let kept = self.idempotent(&idempotent).await;
            let text =
                format!("a request that is sent again within {} is answered, not done", show(idempotent.ttl));
            self.promise("idempotent", text, kept);
        }
        if let Some(cache) = spec.cached {
            let kept = self.cached(&cache).await;
            let oldest = cache.ttl + cache.stale_while_revalidate.max(cache.stale_if_error);
            let text = format!("callers share one load, and nothing older than {} is served", show(oldest));
            self.promise("cached", text, kept);
        }
        if let Some(hedge) = spec.hedged {
            if let Some(why) = self.no_room_for_two(&hedge) {
                self.leave_out("hedged", why);
            } else {
                let kept = self.hedged(&hedge).await;
                let percent = f64::from(hedge.budget.millionths) / 10_000.0;
                let text =
                    format!("a body that hangs gets another execution, {percent} % of the calls at most");
                self.promise("hedged", text, kept);
            }
        }
        self.switched_off(&declared);
    }

    /// What settings have switched off promises nothing.
    fn switched_off(&mut self, declared: &CallSpec) {
        let spec = self.spec;
        for (policy, off) in [
            ("timeout", declared.timeout.is_some() && spec.timeout.is_none()),
            ("deadline", declared.deadline.is_some() && spec.deadline.is_none()),
            ("retry", declared.retry.is_some() && spec.retry.is_none()),
            ("circuit_breaker", declared.circuit_breaker.is_some() && spec.circuit_breaker.is_none()),
            ("rate_limited", declared.limits().next().is_some() && spec.limits().next().is_none()),
            ("bulkhead", declared.bulkhead.is_some() && spec.bulkhead.is_none()),
            ("fallback", declared.fallback.is_some() && spec.fallback.is_none()),
            ("cached", declared.cached.is_some() && spec.cached.is_none()),
            ("hedged", declared.hedged.is_some() && spec.hedged.is_none()),
        ] {
            if off {
                self.leave_out(policy, "settings have switched it off");
            }
        }
    }

    fn promise(&mut self, policy: &'static str, text: String, kept: Kept) {
        let place = self.site.place();
        let promise =
            Promise { call: self.site.name(), file: place.file, line: place.line, policy, text, kept };
        self.report.promises.push(promise);
        super::reset();
    }

    fn leave_out(&mut self, policy: &str, why: &str) {
        let place = self.site.place();
        self.report.left_out.push(format!(
            "{} {policy}: {why} ({}:{})",
            self.site.name(),
            place.file,
            place.line
        ));
    }

    /// One call with every limit full.
    async fn unlimited(&self, body: Body) -> End {
        self.site.state().reset_limits();
        call(self.site, body, self.key).await
    }
}

async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
