//! `[alerts]`: who is told of errors.

use std::time::Duration;

use super::hidden::Hidden;

/// `[alerts]`.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// Webhooks of Slack.
    pub slack: Vec<Hidden>,
    /// Webhooks of Discord.
    pub discord: Vec<Hidden>,
    /// Addresses that take signed JSON.
    pub json: Vec<Hidden>,
    /// The secret of the signature.
    pub secret: Hidden,
    /// Errors that make an alert.
    pub errors: u32,
    /// The time within which they happen.
    pub window: Duration,
    /// At most one message for each route or call in this time.
    pub every: Duration,
    /// The longest that a receiver may take.
    pub timeout: Duration,
}

impl Alerts {
    /// Whether nobody is told.
    pub(crate) const fn is_off(&self) -> bool {
        self.slack.is_empty() && self.discord.is_empty() && self.json.is_empty()
    }
}
