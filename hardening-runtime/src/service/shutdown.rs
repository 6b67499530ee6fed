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
    /// Background tasks end; zero where there are none.
    pub tasks: Duration,
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
        let sum = self.pre_drain + self.drain + self.tasks + self.hooks + Duration::from_secs(1);
        if sum <= self.grace {
            return Ok(());
        }
        let tasks = match self.tasks {
            Duration::ZERO => String::new(),
            tasks => format!("shutdown.tasks {} + ", show(tasks)),
        };
        Err(format!(
            "a shutdown does not fit: shutdown.pre_drain {} + shutdown.drain {} + {tasks}shutdown.hooks {} + 1s = {}, \
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
    /// Background tasks are asked to end.
    Tasks,
    /// The hooks run.
    Hooks,
    /// It may exit.
    Done,
}

impl Stage {
    /// Every one, in order.
    pub const ALL: [Self; 6] =
        [Self::Serving, Self::PreDrain, Self::Draining, Self::Tasks, Self::Hooks, Self::Done];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::PreDrain => "pre_drain",
            Self::Draining => "draining",
            Self::Tasks => "tasks",
            Self::Hooks => "hooks",
            Self::Done => "done",
        }
    }
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
    /// The last background task ended, or its time is over.
    TasksDone,
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
    /// Background tasks were cut off at the end of their time.
    cut_tasks: bool,
    /// Hooks were cut off at the end of their time.
    cut_hooks: bool,
}

impl Timeline {
    /// A service that serves.
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            stage: Stage::Serving,
            until: NEVER,
            cut_requests: false,
            cut_tasks: false,
            cut_hooks: false,
        }
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

    /// Whether background tasks were cut off.
    pub const fn cut_tasks(&self) -> bool {
        self.cut_tasks
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
            Stage::Draining if event == Event::Idle => self.drained(now),
            Stage::Draining if signal || due => {
                self.cut_requests = true;
                self.drained(now);
            }
            Stage::Tasks if event == Event::TasksDone => self.enter(Stage::Hooks, now, self.plan.hooks),
            Stage::Tasks if signal || due => {
                self.cut_tasks = true;
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

    fn drained(&mut self, now: Nanos) {
        if self.plan.tasks.is_zero() {
            self.enter(Stage::Hooks, now, self.plan.hooks);
        } else {
            self.enter(Stage::Tasks, now, self.plan.tasks);
        }
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
        tasks: Duration::ZERO,
        hooks: Duration::from_secs(5),
        grace: Duration::from_secs(30),
    };

    const WITH_TASKS: Plan = Plan { tasks: Duration::from_secs(3), ..PLAN };

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
        assert!(!error.contains("tasks"), "{error}");
        assert_eq!(WITH_TASKS.check(), Ok(()), "the defaults add up with tasks too");
        let error = Plan { grace: Duration::from_secs(28), ..WITH_TASKS }.check().unwrap_err();
        for part in ["drain 15s + shutdown.tasks 3s + shutdown.hooks 5s", "= 29s", "grace 28s"] {
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
        let signals = [T0, T0 + S, T0 + 2 * S, T0 + 3 * S, T0 + 4 * S].map(|at| (at, Terminate));
        let (stages, timeline) = run(WITH_TASKS, &signals);
        assert_eq!(stages, [Stage::PreDrain, Stage::Draining, Stage::Tasks, Stage::Hooks, Stage::Done]);
        assert!(timeline.cut_requests() && timeline.cut_tasks() && timeline.cut_hooks());
        let (stages, _) = run(PLAN, &[(T0, Interrupt)]);
        assert_eq!(stages, [Stage::Draining]);
    }

    #[test]
    fn i_65_whatever_hangs_the_end_comes_before_grace_less_a_second() {
        for (plan, ends) in [(PLAN, 25), (WITH_TASKS, 28)] {
            let mut timeline = Timeline::new(plan);
            timeline.step(T0, Event::Terminate);
            let mut now = T0;
            // As many ticks as there are stages, so that one that never ends is a failure.
            for _ in Stage::ALL {
                if timeline.stage() != Stage::Done {
                    now = timeline.due();
                    timeline.step(now, Event::Tick);
                }
            }
            assert_eq!(timeline.stage(), Stage::Done);
            assert_eq!(now, T0 + ends * S);
            assert_eq!(plan.watchdog(), Duration::from_secs(29));
            assert!(now <= T0 + nanos(plan.watchdog()) && timeline.cut_requests() && timeline.cut_hooks());
            assert_eq!(timeline.cut_tasks(), !plan.tasks.is_zero());
        }
    }

    #[test]
    fn tasks_end_after_requests_and_before_hooks_and_each_has_its_own_time() {
        let (stages, timeline) = run(
            WITH_TASKS,
            &[
                (T0, Event::Interrupt),
                (T0 + S, Event::TasksDone),
                (T0 + S, Event::HooksDone),
                (T0 + 2 * S, Event::Idle),
                (T0 + 3 * S, Event::HooksDone),
                (T0 + 4 * S, Event::TasksDone),
            ],
        );
        let expected =
            [Stage::Draining, Stage::Draining, Stage::Draining, Stage::Tasks, Stage::Tasks, Stage::Hooks];
        assert_eq!(stages, expected);
        assert_eq!(timeline.due(), T0 + 9 * S);
        assert!(!timeline.cut_tasks());
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
        let events = [
            Event::Terminate,
            Event::Interrupt,
            Event::Idle,
            Event::TasksDone,
            Event::HooksDone,
            Event::Tick,
        ];
        for round in 0..500 {
            let plan = if round % 2 == 0 { PLAN } else { WITH_TASKS };
            let (mut timeline, mut now) = (Timeline::new(plan), T0);
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
