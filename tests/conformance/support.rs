//! What the cases share: an error of every kind, bodies that follow a script, and outcomes as text.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardening::{Circuit, CircuitState, Rejected, catalogue, telemetry};
use hardening_spec::rules::{Severity, check as findings};
use hardening_spec::settings::{Raw, set};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What a body gives back when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Reply {
    /// `S` in a script.
    Good,
    /// `B` in a script: no error, but not what was hoped for.
    Bad,
}

impl hardening::ByteSize for Reply {
    fn byte_size(&self) -> usize {
        size_of::<Self>()
    }
}

/// What a body, or a policy around it, fails with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Error {
    /// `F` in a script: what policies take for a failure.
    F,
    /// `X` in a script: what the policies under test leave alone.
    X,
    /// `I` in a script.
    Io,
    /// A policy's refusal.
    #[serde(skip)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

pub(crate) type Answer = Result<Reply, Error>;

/// Functions under policies, whose bodies follow a script; each has state of its own.
macro_rules! guarded {
    ($($(#[$($policy:tt)+])+ $name:ident;)+) => {$(
        $(#[$($policy)+])+
        async fn $name(body: $crate::support::Script) -> $crate::support::Answer {
            body.run().await
        }
    )+};
}
pub(crate) use guarded;

/// Tests of rows `id: function, script of the body => outcome of each call, starts of the body`.
macro_rules! table {
    ($($test:ident { $($id:literal: $call:path, $script:literal => $out:literal, $exec:literal;)+ })+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            $({
                let body = $crate::support::Script::new($script);
                let count = $out.split(' ').count();
                let out = $crate::support::calls(count, || $call(body.clone())).await;
                $crate::support::check($id, (out.as_str(), body.exec()), ($out, $exec));
            })+
        }
    )+};
}
pub(crate) use table;

/// What a body does each time it is started: `F*4 S(10)` fails four times, then succeeds after 10 ms. The last
/// step repeats. `P` panics.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Running>);

#[derive(Debug)]
struct Running {
    text: String,
    steps: Vec<Step>,
    begun: Instant,
    next: AtomicUsize,
    starts: Mutex<Vec<u128>>,
    inside: AtomicU32,
    most_inside: AtomicU32,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    ends: char,
    after: u64,
}

impl Script {
    pub(crate) fn new(script: &str) -> Self {
        Self(Arc::new(Running {
            text: script.to_owned(),
            steps: script.split_whitespace().flat_map(steps).collect(),
            begun: Instant::now(),
            next: AtomicUsize::new(0),
            starts: Mutex::default(),
            inside: AtomicU32::new(0),
            most_inside: AtomicU32::new(0),
        }))
    }

    /// The body.
    pub(crate) async fn run(&self) -> Answer {
        let running = &*self.0;
        let at = running.next.fetch_add(1, Ordering::SeqCst).min(running.steps.len() - 1);
        let Step { ends, after } = running.steps[at];
        running.starts.lock().unwrap().push(running.begun.elapsed().as_millis());
        let _inside = Inside::enter(running);
        if after > 0 {
            sleep(ms(after)).await;
        }
        match ends {
            'S' => Ok(Reply::Good),
            'B' => Ok(Reply::Bad),
            'F' => Err(Error::F),
            'X' => Err(Error::X),
            'I' => Err(Error::Io),
            'P' => panic!("the script says so"),
            other => unreachable!("no step `{other}`"),
        }
    }

    /// The script itself, for policies by key.
    pub(crate) fn text(&self) -> String {
        self.0.text.clone()
    }

    /// How often the body was started.
    pub(crate) fn exec(&self) -> usize {
        self.starts().len()
    }

    /// When the body was started, in ms since the script was made.
    pub(crate) fn starts(&self) -> Vec<u128> {
        self.0.starts.lock().unwrap().clone()
    }

    /// The waits between the starts of bodies that take no time.
    pub(crate) fn waits(&self) -> Vec<u128> {
        self.starts().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// How long ago the script was made, in ms.
    pub(crate) fn elapsed(&self) -> u128 {
        self.0.begun.elapsed().as_millis()
    }

    /// Bodies that run now.
    pub(crate) fn inside(&self) -> u32 {
        self.0.inside.load(Ordering::SeqCst)
    }

    /// The most bodies that ever ran at once.
    pub(crate) fn most_inside(&self) -> u32 {
        self.0.most_inside.load(Ordering::SeqCst)
    }
}

struct Inside<'s>(&'s Running);

impl<'s> Inside<'s> {
    fn enter(running: &'s Running) -> Self {
        let inside = running.inside.fetch_add(1, Ordering::SeqCst) + 1;
        running.most_inside.fetch_max(inside, Ordering::SeqCst);
        Self(running)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `F(100)*3` as three steps.
fn steps(word: &str) -> Vec<Step> {
    let (step, times) = word.split_once('*').unwrap_or((word, "1"));
    let (ends, after) = match step.split_once('(') {
        Some((ends, after)) => (ends, after.trim_end_matches(')').parse().unwrap()),
        None => (step, 0),
    };
    let ends = ends.parse().unwrap();
    vec![Step { ends, after }; times.parse().unwrap()]
}

/// An outcome as the cases write it.
pub(crate) fn said(answer: &Answer) -> &'static str {
    match answer {
        Ok(Reply::Good) => "S",
        Ok(Reply::Bad) => "B",
        Err(Error::F) => "F",
        Err(Error::X) => "X",
        Err(Error::Io) => "I",
        Err(Error::Rejected(rejected)) => match rejected {
            Rejected::Timeout { .. } => "Timeout",
            Rejected::DeadlineExceeded { .. } => "Deadline",
            Rejected::CircuitOpen { .. } => "Open",
            Rejected::RateLimited { .. } => "Limited",
            Rejected::BulkheadFull { .. } => "Full",
            other => other.kind(),
        },
    }
}

/// The outcomes of `count` calls, one after the other.
pub(crate) async fn calls<F: Future<Output = Answer>>(count: usize, mut call: impl FnMut() -> F) -> String {
    let mut out = Vec::new();
    for _ in 0..count {
        out.push(said(&call().await));
    }
    out.join(" ")
}

/// Begins a call and lets it run until it waits.
pub(crate) async fn begin<F>(call: F) -> JoinHandle<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let call = tokio::spawn(call);
    settle().await;
    call
}

/// The outcome of a call that was begun.
pub(crate) async fn end(call: JoinHandle<Answer>) -> &'static str {
    match call.await {
        Ok(answer) => said(&answer),
        Err(error) if error.is_panic() => "panic",
        Err(_) => "cancelled",
    }
}

/// Drops a call that was begun.
pub(crate) async fn cancel(call: JoinHandle<Answer>) {
    call.abort();
    assert_eq!(end(call).await, "cancelled");
}

/// Lets everything run that need not wait.
pub(crate) async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass.
pub(crate) async fn pass(millis: u64) {
    sleep(ms(millis)).await;
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Puts a number of a call in force, as a settings file does: what cannot be meant is refused.
pub(crate) fn configure(call: &str, policy: &str, key: &str, value: Raw<'_>) -> Result<(), String> {
    let site = catalogue::site(call).unwrap_or_else(|| panic!("no call {call}"));
    let mut spec = site.own();
    set(&mut spec, policy, key, value).map_err(|why| why.to_string())?;
    let wrong = findings(&spec, &|_, _| true).into_iter().find(|found| found.severity == Severity::Error);
    if let Some(why) = wrong.map(|found| found.message).or(site.refuses_to_become(&spec).map(str::to_owned)) {
        return Err(why);
    }
    site.configure(&spec);
    Ok(())
}

/// The circuit of a call.
#[track_caller]
pub(crate) fn circuit(name: &str) -> Circuit {
    hardening::circuit(name).unwrap()
}

/// The state of a circuit.
#[track_caller]
pub(crate) fn state(name: &str) -> CircuitState {
    circuit(name).state()
}

/// How many calls of this name ended with `outcome`.
pub(crate) fn ended(name: &str, outcome: &str) -> u64 {
    metric(&format!("hardening_calls_total{{call=\"{name}\",outcome=\"{outcome}\"}}"))
}

/// The value of a series.
pub(crate) fn metric(series: &str) -> u64 {
    let mut text = String::new();
    telemetry::calls::render(&mut text);
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
}

/// Fails with the id of the case.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "both sides are written in place")]
pub(crate) fn check<T: PartialEq<U> + Debug, U: Debug>(id: &str, found: T, expected: U) {
    assert!(found == expected, "{id}: found {found:?}, expected {expected:?}");
}
