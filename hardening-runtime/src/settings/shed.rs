//! `[shed]`: how many requests the routes work on at once, and which matter.

use super::forms;
use super::value::Value;

/// `[shed]`.
#[derive(Clone, Debug, Default)]
pub struct Shed {
    /// How the limit is found.
    pub limit: ShedLimit,
    /// The limit, or the most that an adaptive one becomes.
    pub max: u32,
    /// The least that an adaptive limit becomes.
    pub min: u32,
    /// Patterns of routes that are refused last.
    pub critical: Vec<String>,
    /// Patterns of routes that are refused after most.
    pub high: Vec<String>,
    /// Patterns of routes that are refused before most.
    pub low: Vec<String>,
    /// Patterns of routes that are refused first.
    pub background: Vec<String>,
}

/// How the limit on requests at once is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShedLimit {
    /// There is none.
    Off,
    /// It is `max`.
    #[default]
    Fixed,
    /// From how much longer than usual requests take.
    Adaptive,
}

impl ShedLimit {
    const WORDS: &[(&str, Self)] =
        &[("off", Self::Off), ("fixed", Self::Fixed), ("adaptive", Self::Adaptive)];

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        forms::choice(value, Self::WORDS)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    pub(super) fn show(&self) -> String {
        forms::show_choice(self, Self::WORDS)
    }
}
