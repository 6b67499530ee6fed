//! `[alerts]`: who is told of errors.

use std::time::Duration;

use hardening_spec::Ratio;

use super::forms;
use super::hidden::Hidden;
use super::value::Value;

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
    /// The share of each route's requests that must not fail, above 0 and below 1; `None` where nobody watches.
    pub objective: Option<Ratio>,
}

impl Alerts {
    /// Whether nobody is told and nothing is watched.
    pub(crate) const fn is_off(&self) -> bool {
        self.slack.is_empty() && self.discord.is_empty() && self.json.is_empty() && self.objective.is_none()
    }

    /// The share of requests that may fail, in millionths.
    #[cfg(feature = "alerts")]
    pub(crate) fn budget(&self) -> Option<u32> {
        self.objective.map(|objective| 1_000_000 - objective.millionths)
    }
}

/// A share that leaves something to be spent, and something to be kept.
pub(super) fn objective(value: &Value) -> Result<Option<Ratio>, String> {
    let share = forms::share(value)?;
    match share.millionths {
        0 => Err("an objective lies above 0 %: write the share of requests that must not fail, such as `99.9%`".to_owned()),
        1_000_000 => Err(
            "an objective lies below 100 %, and is at most `99.9999%`: what allows no error has no budget to watch; write \
             one such as `99.9%`"
                .to_owned(),
        ),
        _ => Ok(Some(share)),
    }
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the table's functions take references"
)]
pub(super) fn show_objective(objective: &Option<Ratio>) -> String {
    objective.as_ref().map_or_else(String::new, forms::show_share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_lies_between_nothing_and_all() {
        let read = |text: &str| objective(&Value::Text(text.to_owned()));
        for (text, millionths, shown) in [
            ("99.9%", 999_000, "99.9%"),
            ("0.999", 999_000, "99.9%"),
            ("99.9999%", 999_999, "99.9999%"),
            ("0.0001%", 1, "0.0001%"),
        ] {
            assert_eq!(read(text), Ok(Some(Ratio::millionths(millionths))), "{text}");
            assert_eq!(show_objective(&read(text).unwrap()), shown);
        }
        assert_eq!(objective(&Value::Float(0.95)), Ok(Some(Ratio::millionths(950_000))));
        for (text, wrong) in [
            ("0%", "above 0 %"),
            ("100%", "below 100 %"),
            ("1", "below 100 %"),
            ("99.99999%", "at most `99.9999%`"),
            ("99.9", "write `99.9%`"),
            ("101%", "between 0 and 100 %"),
            ("-1%", "between 0 and 100 %"),
            ("three nines", "a share such as"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(wrong), "{text}: {why}");
        }
        assert_eq!(show_objective(&None), "");
    }
}
