//! The shutdown's timeline as a state machine: moments and events in, stages out. It does nothing itself.

use std::time::Duration;

use hardening_spec::units::show;

use crate::clock::{NEVER, Nanos, nanos};

/// How long each part of a shutdown may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Readiness says no while requests are still accepted, so that balancers notice.
    pub pre_drain: Duration,
    /// Accepted requests finish.
    pub drain: Duration,
    /// Hooks run.
    pub hooks: Duration,
    /// The whole; the process is ended by force one second before.
    pub grace: Duration,
}

impl Plan {
    /// How long after the first signal the process must be gone, whatever still runs.
    pub fn watchdog(&self) -> Duration {
        self.grace.saturating_sub(Duration::from_secs(1))
    }

    /// Whether the parts fit into the whole.
    ///
    /// # Errors
    /// With the sum, written out, when they do not.
    pub fn check(&self) -> Result<(), String> {
        let sum = self.pre_drain + self.drain + self.hooks + Duration::from_secs(1);
        if sum <= self.grace {
            return Ok(());
        }
        Err(format!(
            "a shutdown does not fit: shutdown.pre_drain {} + shutdown.drain {} + shutdown.hooks {} + 1s = {}, \
             which is longer than shutdown.grace {}",
            show(self.pre_drain),
            show(self.drain),
            show(self.hooks),
            show(sum),
            show(self.grace)
        ))
    }
}

/// Where a service stands between start and exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    Serving,
    /// It still accepts, but says that it is not ready.
    PreDrain,
    /// It accepts nothing new and finishes what it has.
    Draining,
    /// The hooks run.
    Hooks,
    /// It may exit.
    Done,
}

/// What moves a shutdown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SIGTERM, or somebody asked; a second one skips ahead.
    Terminate,
    /// SIGINT: from a terminal, where nobody balances.
    Interrupt,
    /// The last accepted request was answered.
    Idle,
    /// The last hook ended.
    HooksDone,
    /// Time passed.
    Tick,
}

/// The state of one shutdown.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    plan: Plan,
    stage: Stage,
    until: Nanos,
    /// Requests were cut off at the end of the drain.
    cut_requests: bool,
    /// Hooks were cut off at the end of their time.
    cut_hooks: bool,
}

impl Timeline {
    /// A service that serves.
    pub const fn new(plan: Plan) -> Self {
        Self { plan, stage: Stage::Serving, until: NEVER, cut_requests: false, cut_hooks: false }
    }

    /// Where it stands.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// When it needs a [`Event::Tick`]; [`NEVER`] while it serves and when it is done.
    pub const fn due(&self) -> Nanos {
        self.until
    }

    /// Whether requests were cut off.
    pub const fn cut_requests(&self) -> bool {
        self.cut_requests
    }

    /// Whether hooks were cut off.
    pub const fn cut_hooks(&self) -> bool {
        self.cut_hooks
    }

    /// Takes one event at `now`; answers the stage that follows.
    pub fn step(&mut self, now: Nanos, event: Event) -> Stage {
        let signal = matches!(event, Event::Terminate | Event::Interrupt);
        let due = now >= self.until;
        match self.stage {
            Stage::Serving if signal => {
                if event == Event::Terminate && !self.plan.pre_drain.is_zero() {
                    self.enter(Stage::PreDrain, now, self.plan.pre_drain);
                } else {
                    self.enter(Stage::Draining, now, self.plan.drain);
                }
            }
            Stage::PreDrain if signal || due => self.enter(Stage::Draining, now, self.plan.drain),
            Stage::Draining if event == Event::Idle => self.enter(Stage::Hooks, now, self.plan.hooks),
            Stage::Draining if signal || due => {
                self.cut_requests = true;
                self.enter(Stage::Hooks, now, self.plan.hooks);
            }
            Stage::Hooks if event == Event::HooksDone => self.finish(),
            Stage::Hooks if signal || due => {
                self.cut_hooks = true;
                self.finish();
            }
            _ => {}
        }
        self.stage
    }

    fn enter(&mut self, stage: Stage, now: Nanos, lasts: Duration) {
        self.stage = stage;
        self.until = now.saturating_add(nanos(lasts));
    }

    fn finish(&mut self) {
        self.stage = Stage::Done;
        self.until = NEVER;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;
    const T0: Nanos = 100 * S;
    const PLAN: Plan = Plan {
        pre_drain: Duration::from_secs(5),
        drain: Duration::from_secs(15),
        hooks: Duration::from_secs(5),
        grace: Duration::from_secs(30),
    };

    fn run(plan: Plan, events: &[(Nanos, Event)]) -> (Vec<Stage>, Timeline) {
        let mut timeline = Timeline::new(plan);
        let stages = events.iter().map(|(at, event)| timeline.step(*at, *event)).collect();
        (stages, timeline)
    }

    #[test]
    fn the_defaults_add_up_and_what_does_not_names_its_parts() {
        assert_eq!(PLAN.check(), Ok(()));
        assert_eq!(Plan { grace: Duration::from_secs(26), ..PLAN }.check(), Ok(()));
        let error = Plan { grace: Duration::from_secs(25), ..PLAN }.check().unwrap_err();
        for part in ["pre_drain 5s", "drain 15s", "hooks 5s", "= 26s", "grace 25s"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn i_63_requests_are_accepted_until_the_pre_drain_ends() {
        let (stages, _) = run(
            PLAN,
            &[
                (T0, Event::Tick),
                (T0, Event::Terminate),
                (T0 + 5 * S - 1, Event::Tick),
                (T0 + 5 * S - 1, Event::Idle),
                (T0 + 5 * S, Event::Tick),
            ],
        );
        assert_eq!(
            stages,
            [Stage::Serving, Stage::PreDrain, Stage::PreDrain, Stage::PreDrain, Stage::Draining]
        );
    }

    #[test]
    fn i_64_a_second_signal_skips_ahead_and_an_interrupt_has_no_pre_drain() {
        use Event::{Interrupt, Terminate};
        let (stages, timeline) = run(
            PLAN,
            &[(T0, Terminate), (T0 + S, Terminate), (T0 + 2 * S, Interrupt), (T0 + 3 * S, Terminate)],
        );
        assert_eq!(stages, [Stage::PreDrain, Stage::Draining, Stage::Hooks, Stage::Done]);
        assert!(timeline.cut_requests() && timeline.cut_hooks());
        let (stages, _) = run(PLAN, &[(T0, Interrupt)]);
        assert_eq!(stages, [Stage::Draining]);
    }

    #[test]
    fn i_65_whatever_hangs_the_end_comes_before_grace_less_a_second() {
        let mut timeline = Timeline::new(PLAN);
        timeline.step(T0, Event::Terminate);
        let mut now = T0;
        while timeline.stage() != Stage::Done {
            now = timeline.due();
            timeline.step(now, Event::Tick);
        }
        assert_eq!(now, T0 + 25 * S);
        assert_eq!(PLAN.watchdog(), Duration::from_secs(29));
        assert!(now <= T0 + nanos(PLAN.watchdog()) && timeline.cut_requests() && timeline.cut_hooks());
    }

    #[test]
    fn i_66_an_idle_service_ends_with_its_pre_drain() {
        let (stages, timeline) = run(
            PLAN,
            &[
                (T0, Event::Terminate),
                (T0 + 5 * S, Event::Tick),
                (T0 + 5 * S, Event::Idle),
                (T0 + 5 * S, Event::HooksDone),
            ],
        );
        assert_eq!(stages.last(), Some(&Stage::Done));
        assert!(!timeline.cut_requests() && !timeline.cut_hooks());
    }

    #[test]
    fn stages_never_go_back_whatever_comes() {
        let mut seed = fastrand::Rng::with_seed(7);
        let events = [Event::Terminate, Event::Interrupt, Event::Idle, Event::HooksDone, Event::Tick];
        for _ in 0..500 {
            let (mut timeline, mut now) = (Timeline::new(PLAN), T0);
            let mut last = timeline.stage();
            for _ in 0..20 {
                now += seed.u64(0..8 * S);
                let stage = timeline.step(now, events[seed.usize(0..events.len())]);
                assert!(stage >= last);
                last = stage;
            }
        }
    }
}
