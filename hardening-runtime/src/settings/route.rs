//! `[route."/upload/{id}"]`: what settings say of one route.

use std::time::Duration;

use hardening_spec::Rate;
use hardening_spec::settings as words;
use hardening_spec::units::show;

use super::forms;
use super::value::Value;
use crate::service::Priority;

/// The keys of `[route."/pattern"]`.
const KEYS: [&str; 7] = [
    "body_limit",
    "body_timeout",
    "priority",
    "rate_limit",
    "rate_limit_burst",
    "request_timeout",
    "write_timeout",
];

/// The limits of one route; what is not set is as for all routes. Settings win over what code says, key by key.
///
/// ```
/// use std::time::Duration;
/// use hardening_runtime::settings::RouteLimits;
///
/// let uploads = RouteLimits::new()
///     .body_limit(300 << 20)
///     .body_timeout(Duration::from_secs(60))
///     .request_timeout(Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RouteLimits {
    pub(crate) body_limit: Option<u64>,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    /// `Some(None)` for no limit.
    #[expect(clippy::option_option, reason = "what is not set is not the same as no limit")]
    pub(crate) rate_limit: Option<Option<Rate>>,
    pub(crate) rate_limit_burst: Option<u32>,
    pub(crate) priority: Option<Priority>,
}

impl RouteLimits {
    /// None of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The size of a request's body in bytes, in place of `http.body_limit`.
    pub fn body_limit(self, bytes: u64) -> Self {
        Self { body_limit: Some(bytes), ..self }
    }

    /// The longest a request's body may take to arrive, in place of `http.body_timeout`.
    pub fn body_timeout(self, longest: Duration) -> Self {
        Self { body_timeout: Some(longest), ..self }
    }

    /// A request's deadline, in place of `http.request_timeout`.
    pub fn request_timeout(self, longest: Duration) -> Self {
        Self { request_timeout: Some(longest), ..self }
    }

    /// How long a client may take no byte of an answer, in place of `http.write_timeout`.
    pub fn write_timeout(self, longest: Duration) -> Self {
        Self { write_timeout: Some(longest), ..self }
    }

    /// How many requests of this route each client may send in a period, apart from all others, in place of `http.rate_limit`. As
    /// many may come at once.
    pub fn rate_limit(self, count: u32, per: Duration) -> Self {
        Self { rate_limit: Some(Some(Rate::new(count, per))), ..self }
    }

    /// No limit for clients, in place of `http.rate_limit`.
    pub fn no_rate_limit(self) -> Self {
        Self { rate_limit: Some(None), ..self }
    }

    /// How much its requests matter when the service has more to do than it can.
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Where both say something, `over` does.
    pub(crate) fn under(self, over: Self) -> Self {
        Self {
            body_limit: over.body_limit.or(self.body_limit),
            body_timeout: over.body_timeout.or(self.body_timeout),
            request_timeout: over.request_timeout.or(self.request_timeout),
            write_timeout: over.write_timeout.or(self.write_timeout),
            rate_limit: over.rate_limit.or(self.rate_limit),
            rate_limit_burst: over.rate_limit_burst.or(self.rate_limit_burst),
            priority: over.priority.or(self.priority),
        }
    }

    /// What is set, by its key, as it would be written.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let time = |time: Duration| show(time);
        let all = [
            ("body_limit", self.body_limit.map(|bytes| forms::show_bytes(&bytes))),
            ("body_timeout", self.body_timeout.map(time)),
            ("request_timeout", self.request_timeout.map(time)),
            ("write_timeout", self.write_timeout.map(time)),
            ("rate_limit", self.rate_limit.map(|rate| forms::show_rate(&rate))),
            ("rate_limit_burst", self.rate_limit_burst.map(|burst| burst.to_string())),
            ("priority", self.priority.map(|priority| priority.name().to_owned())),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// One route and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The pattern, as the router has it.
    pub pattern: String,
    /// What holds for it.
    pub limits: RouteLimits,
}

/// Whether a pattern can be one of the router's.
pub(super) fn known(pattern: &str) -> Result<(), String> {
    crate::service::pattern_of(pattern).map(drop)
}

/// Takes one key.
pub(super) fn set(routes: &mut Vec<Route>, pattern: &str, key: &str, value: &Value) -> Result<(), String> {
    known(pattern)?;
    // In the order of their patterns, so that many of them are found fast.
    let at = routes.binary_search_by(|route| route.pattern.as_str().cmp(pattern));
    let mut limits = at.map_or_else(|_| RouteLimits::new(), |at| routes[at].limits);
    match key {
        "body_limit" => limits.body_limit = Some(forms::bytes(value)?),
        "body_timeout" => limits.body_timeout = Some(forms::duration(value)?),
        "request_timeout" => limits.request_timeout = Some(forms::duration(value)?),
        "write_timeout" => limits.write_timeout = Some(forms::duration(value)?),
        "rate_limit" => limits.rate_limit = Some(forms::rate_or_none(value)?),
        "rate_limit_burst" => limits.rate_limit_burst = Some(forms::count(value)?),
        "priority" => {
            let names = Priority::ALL.map(|priority| (priority.name(), priority));
            limits.priority = Some(forms::choice(value, &names)?);
        }
        _ => return Err(words::unknown("key", key, &KEYS).to_string()),
    }
    match at {
        Ok(at) => routes[at].limits = limits,
        Err(at) => routes.insert(at, Route { pattern: pattern.to_owned(), limits }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_one_by_one_and_settings_win() {
        let mut routes = Vec::new();
        let text = |text: &str| Value::Text(text.to_owned());
        for (key, value) in [
            ("body_limit", "300MiB"),
            ("body_timeout", "1m"),
            ("request_timeout", "1m"),
            ("write_timeout", "40s"),
            ("rate_limit", "none"),
            ("priority", "low"),
        ] {
            set(&mut routes, "/upload/{id}", key, &text(value)).expect(key);
        }
        let [route] = routes.as_slice() else { panic!("{routes:?}") };
        assert_eq!(route.limits.body_limit, Some(300 << 20));
        assert_eq!((route.limits.rate_limit, route.limits.priority), (Some(None), Some(Priority::Low)));
        let declared = RouteLimits::new().body_limit(7).rate_limit(5, Duration::from_secs(1));
        let both = declared.under(route.limits);
        assert_eq!(both, route.limits);
        assert_eq!(declared.under(RouteLimits::new()), declared);
        assert_eq!(declared.shown(), [("body_limit", "7B".to_owned()), ("rate_limit", "5/s".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut routes = Vec::new();
        let mut wrong = |pattern: &str, key: &str, value: &str| {
            set(&mut routes, pattern, key, &Value::Text(value.to_owned())).unwrap_err()
        };
        assert!(wrong("/a", "body_limits", "1").contains("body_limit"));
        assert!(wrong("/a", "priority", "urgent").contains("critical"));
        assert!(wrong("a", "body_limit", "1").contains("begins with `/`"));
        assert!(wrong("/{a", "body_limit", "1").contains("/{a"));
        assert!(routes.is_empty());
    }
}
