//! What `#[circuit_breaker]` says.

use std::time::Duration;

use crate::values::{DurationRange, Ratio};

/// What a breaker looks back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The outcomes of the last so much time.
    Time(Duration),
    /// The last so many outcomes.
    Calls(u32),
}

/// `#[circuit_breaker(…)]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreakerSpec {
    /// The share of failures that opens the circuit.
    pub failure_rate: Ratio,
    /// What the shares are taken over.
    pub window: Window,
    /// Outcomes needed in the window before a share means anything.
    pub min_calls: u32,
    /// So many failures in a row open the circuit whatever the share.
    pub consecutive: Option<u32>,
    /// A body that ran this long was slow.
    pub slow_call: Option<Duration>,
    /// The share of slow calls that opens the circuit.
    pub slow_rate: Ratio,
    /// How long the circuit stays open: exact, or doubling from..to on each consecutive opening.
    pub open_for: DurationRange,
    /// Calls admitted half-open, all of which must succeed.
    pub probes: u32,
    /// A probe that has not answered by then has failed; `None` for the timeout, else 10 s.
    pub probe_timeout: Option<Duration>,
    /// How long a growing share of the calls is admitted after closing; `None` for all of them at once.
    pub ramp: Option<Duration>,
    /// Whether a timeout that cut the body is a failure of the dependency.
    pub timeouts_count: bool,
    /// Whether each key has a circuit of its own.
    pub keyed: bool,
    /// The bound on circuits of keys.
    pub max_keys: u32,
    /// Refuses a share of the calls instead of opening.
    pub adaptive: Option<ThrottleSpec>,
    /// Whether its state decides.
    pub mode: CircuitMode,
}

/// Whether the state of a circuit decides, or somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitMode {
    /// Its state decides.
    Automatic,
    /// Every call is refused.
    ForcedOpen,
    /// Every call passes uncounted.
    Disabled,
    /// Every call passes; transitions are made and reported, but decide nothing.
    MetricsOnly,
}

impl CircuitMode {
    /// Each with its name.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("automatic", Self::Automatic),
        ("forced_open", Self::ForcedOpen),
        ("disabled", Self::Disabled),
        ("metrics_only", Self::MetricsOnly),
    ];

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// A share of calls that is refused, so that those that pass are what the dependency accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleSpec {
    /// So many times what the dependency accepts may be asked of it; above 1.
    pub multiplier: f64,
}

impl ThrottleSpec {
    /// The defaults of every key.
    pub const DEFAULT: Self = Self { multiplier: 2.0 };
    /// What it looks back on, where nothing is written.
    pub const WINDOW: Window = Window::Time(Duration::from_secs(30));
}

impl CircuitBreakerSpec {
    /// The defaults of every key.
    pub const DEFAULT: Self = Self {
        failure_rate: Ratio::percent(50),
        window: Window::Time(Duration::from_secs(10)),
        min_calls: 20,
        consecutive: None,
        slow_call: None,
        slow_rate: Ratio::percent(50),
        open_for: DurationRange::new(Duration::from_secs(5), Duration::from_mins(1)),
        probes: 3,
        probe_timeout: None,
        ramp: None,
        timeouts_count: true,
        keyed: false,
        max_keys: 10_000,
        adaptive: None,
        mode: CircuitMode::Automatic,
    };

    /// A share of the calls is refused instead of all for a time.
    pub const ADAPTIVE: Self =
        Self { window: ThrottleSpec::WINDOW, adaptive: Some(ThrottleSpec::DEFAULT), ..Self::DEFAULT };

    /// The same with another multiplier of the adaptive share.
    #[must_use]
    pub const fn with_multiplier(self, multiplier: f64) -> Self {
        Self { adaptive: Some(ThrottleSpec { multiplier }), ..self }
    }
}
