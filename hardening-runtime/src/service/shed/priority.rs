//! How much a request matters when not every one can be answered.

use http::{HeaderMap, HeaderName};

/// The header field in which a trusted proxy says how much a request matters.
pub(crate) const REQUEST_PRIORITY: HeaderName = HeaderName::from_static("x-request-priority");

/// How much a route's requests matter when the service sheds load: the lowest are refused first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Work that nobody waits for: prefetching, reports, backfills.
    Background,
    /// What a person can do without.
    Low,
    /// What nobody has said anything else of.
    #[default]
    Normal,
    /// What the product is for.
    High,
    /// What must work when nothing else does: payments, logins, emergency stops.
    Critical,
}

impl Priority {
    /// All of them, the lowest first.
    pub const ALL: [Self; 5] = [Self::Background, Self::Low, Self::Normal, Self::High, Self::Critical];

    /// Its name in settings, in the header field and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What the header field says, if it says one of the names.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let said = headers.get(REQUEST_PRIORITY)?;
        Self::ALL.into_iter().find(|priority| said.as_bytes() == priority.name().as_bytes())
    }

    /// The level of a user of this hash: a hundred to each class, so that within a class always the same users are refused
    /// and the others are served without a fault.
    pub(crate) const fn level(self, user: u64) -> u16 {
        // A class is below five.
        self as u16 * 100 + (user % 100) as u16
    }
}
