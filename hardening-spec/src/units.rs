//! The written forms of values, shared by attributes, files and the environment.

use std::fmt;
use std::time::Duration;

use crate::{After, DurationRange, Rate, Ratio, Window};

/// The units of a duration, longest first, with their length in nanoseconds.
pub const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is not a value: one sentence without the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

fn malformed<T>(why: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(why.into()))
}

/// Reads `250ms`, `5m` or several in one, `1m30s`; each unit at most once, longest first.
///
/// # Errors
/// When a number or a unit is missing, unknown, out of order, or the sum overflows 64-bit nanoseconds.
pub fn duration(text: &str) -> Result<Duration, Malformed> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return malformed("a duration is a whole number and a unit, such as `250ms`");
    }
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').len();
        let number: u64 = match rest[..digits].replace('_', "").parse() {
            Ok(number) => number,
            Err(_) if rest.starts_with('-') => return malformed("a duration cannot be negative"),
            Err(_) => return malformed("a duration is a whole number and a unit, such as `250ms`"),
        };
        rest = &rest[digits..];
        if rest.starts_with('.') {
            return malformed("a duration has no fraction: write a smaller unit, such as `1500ms`");
        }
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let unit = &rest[..letters];
        rest = &rest[letters..];
        if unit.is_empty() {
            return malformed(format!(
                "`{number}` has no unit: write one of ns, us, ms, s, m, h, d, such as `{number}ms`"
            ));
        }
        let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return malformed(format!("`{unit}` is not a unit of time: use ns, us, ms, s, m, h or d"));
        };
        if *length >= last_unit {
            return malformed("each unit stands once, the longest first, such as `1m30s`");
        }
        last_unit = *length;
        total = match number.checked_mul(*length).and_then(|part| total.checked_add(part)) {
            Some(total) => total,
            None => return malformed("this duration is longer than 584 years"),
        };
    }
    Ok(Duration::from_nanos(total))
}

/// Writes a duration in the form that [`duration`] reads.
pub fn show(value: Duration) -> String {
    let mut rest = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text += &(rest / length).to_string();
            text += unit;
            rest %= length;
        }
    }
    text
}

/// Writes a duration that was measured or computed, in the form of [`show`] and rounded up so that a wait is never shown too
/// short: to whole seconds from ten seconds on, milliseconds from one millisecond on, and microseconds below.
///
/// What somebody wrote is shown by [`show`], exactly.
pub fn brief(value: Duration) -> String {
    let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
    let step = match nanos {
        10_000_000_000.. => 1_000_000_000,
        1_000_000.. => 1_000_000,
        _ => 1_000,
    };
    show(Duration::from_nanos(nanos.div_ceil(step).saturating_mul(step)))
}

/// Reads `50%`, `12.5%` or a decimal in 0..=1.
///
/// # Errors
/// When the text is no number or lies outside 0 to 100 %.
pub fn ratio(text: &str) -> Result<Ratio, Malformed> {
    const FORM: &str = "a ratio is a percentage or a decimal from 0 to 1, such as `50%` or `0.5`";
    let text = text.trim();
    let (number, scale, percent) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 10_000.0, true),
        None => (text, 1_000_000.0, false),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-' || c == '_') {
        return malformed(FORM);
    }
    let Ok(value) = number.replace('_', "").parse::<f64>() else { return malformed(FORM) };
    if value < 0.0 || value * scale > 1_000_000.0 {
        return malformed(if percent || value <= 0.0 {
            "a ratio lies between 0 and 100 %".to_owned()
        } else {
            format!("a ratio without `%` lies between 0 and 1: write `{number}%`")
        });
    }
    // In 0..=1_000_000 by the check above.
    #[allow(clippy::cast_sign_loss)]
    Ok(Ratio::millionths((value * scale).round() as u32))
}

/// Reads a duration, or a percentile such as `p95` or `p99.9`.
///
/// # Errors
/// When it is neither, or the percentile does not lie between 50 and 100.
pub fn after(text: &str) -> Result<After, Malformed> {
    let Some(percentile) =
        text.trim().strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return duration(text).map(After::Duration);
    };
    let Ok(share) = ratio(&format!("{percentile}%")) else {
        return malformed("a percentile is a number between 50 and 100, such as `p95` or `p99.9`");
    };
    if share.millionths < 500_000 || share.millionths >= 1_000_000 {
        return malformed("a percentile lies between 50 and 100: write `p95`");
    }
    Ok(After::Percentile(share))
}

/// Units of size, the longest name first.
const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `64MiB`, `10MB` or a number of bytes.
///
/// # Errors
/// When it is neither, or no size.
pub fn bytes(text: &str) -> Result<u64, Malformed> {
    let text = text.trim();
    let (number, unit) = SIZES
        .iter()
        .find_map(|(name, size)| text.strip_suffix(name).map(|number| (number.trim(), *size)))
        .unwrap_or((text, 1));
    let number = number.replace('_', "");
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return malformed(format!("`{text}` is no size"));
    }
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        Some(_) => malformed("a size is at least one byte"),
        None => malformed(format!("`{text}` is more than {} bytes", u64::MAX)),
    }
}

/// Writes a size as [`bytes`] reads it.
pub fn show_bytes(bytes: u64) -> String {
    match SIZES[..3].iter().find(|(_, size)| bytes.is_multiple_of(*size)) {
        Some((name, size)) => format!("{}{name}", bytes / size),
        None => format!("{bytes}B"),
    }
}

/// Reads `100/s`, `600/min`, `5000/h` or `10/250ms`.
///
/// # Errors
/// When the count or the period is missing, unreadable or zero.
pub fn rate(text: &str) -> Result<Rate, Malformed> {
    let Some((count, per)) = text.split_once('/') else {
        let number = text.trim();
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            return malformed(format!("`{number}` has no period: write `{number}/s`"));
        }
        return malformed("a rate is a count and a period, such as `100/s` or `10/250ms`");
    };
    let Ok(count) = count.trim().replace('_', "").parse::<u32>() else {
        return malformed("a rate counts whole events, from 1 to 4294967295, such as `100/s`");
    };
    let per = rate_period(per.trim())?;
    if count == 0 {
        return malformed("a rate of 0 refuses everything: write at least 1");
    }
    if per.is_zero() {
        return malformed("a rate's period is longer than zero");
    }
    Ok(Rate::new(count, per))
}

/// Reads what stands behind the `/` of a rate: a unit (`s`, `min`, `h`, …) or a duration.
///
/// # Errors
/// When it is neither.
pub fn rate_period(text: &str) -> Result<Duration, Malformed> {
    match text {
        "min" => Ok(Duration::from_mins(1)),
        unit if UNITS.iter().any(|(name, _)| *name == unit) => duration(&format!("1{unit}")),
        other => match duration(other) {
            Ok(per) => Ok(per),
            Err(_) => malformed("a rate's period is s, min, h, d, or a duration: `100/s`, `10/250ms`"),
        },
    }
}

/// Reads `100ms` or `50ms..2s`.
///
/// # Errors
/// When an end is no duration, or the range is reversed.
pub fn range(text: &str) -> Result<DurationRange, Malformed> {
    let Some((from, to)) = text.split_once("..") else {
        return duration(text).map(DurationRange::constant);
    };
    let (from, to) = (duration(from)?, duration(to.trim_start_matches('='))?);
    if from > to {
        return malformed(format!("the range is reversed: write `{}..{}`", show(to), show(from)));
    }
    Ok(DurationRange::new(from, to))
}

/// Reads a duration (time window) or a count (last n calls).
///
/// # Errors
/// When it is neither.
pub fn window(text: &str) -> Result<Window, Malformed> {
    let text = text.trim();
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return match text.replace('_', "").parse() {
            Ok(calls) => Ok(Window::Calls(calls)),
            Err(_) => malformed("a window holds at most 65535 calls"),
        };
    }
    duration(text).map(Window::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_show_the_same() {
        for (text, nanos) in [
            ("250ms", 250_000_000_u64),
            ("5m", 300_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1d2h3m4s5ms6us7ns", 93_784_005_006_007),
            ("0s", 0),
        ] {
            let value = duration(text).unwrap();
            assert_eq!(value, Duration::from_nanos(nanos), "{text}");
            assert_eq!(show(value), text);
        }
    }

    #[test]
    fn what_was_measured_is_shown_rounded_up() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1us"),
            (999_001, "1ms"),
            (479_172_187, "480ms"),
            (480_000_000, "480ms"),
            (1_234_000_001, "1s235ms"),
            (9_999_999_999, "10s"),
            (75_200_000_000, "1m16s"),
            (3_600_000_000_000, "1h"),
        ] {
            assert_eq!(brief(Duration::from_nanos(nanos)), text, "{nanos}");
        }
        assert!(brief(Duration::MAX).starts_with("213503d"), "{}", brief(Duration::MAX));
    }

    #[test]
    fn malformed_durations_say_why() {
        for (text, part) in [
            ("250", "has no unit"),
            ("250sec", "not a unit of time"),
            ("1.5s", "no fraction"),
            ("-1s", "negative"),
            ("30s1m", "longest first"),
            ("1s1s", "longest first"),
            ("", "whole number"),
            ("99999999999999d", "584 years"),
        ] {
            let error = duration(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn ratios() {
        assert_eq!(ratio("50%"), Ok(Ratio::percent(50)));
        assert_eq!(ratio("0.5"), Ok(Ratio::percent(50)));
        assert_eq!(ratio("12.5%"), Ok(Ratio::millionths(125_000)));
        assert_eq!(ratio("1"), Ok(Ratio::percent(100)));
        for bad in ["101%", "1.1", "-0.1", "-5%", "NaN", "inf", "", "%", "half"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
        assert!(ratio("50").unwrap_err().to_string().contains("`50%`"));
    }

    #[test]
    fn rates_ranges_and_windows() {
        assert_eq!(rate("100/s"), Ok(Rate::new(100, Duration::from_secs(1))));
        assert_eq!(rate("600/min"), Ok(Rate::new(600, Duration::from_mins(1))));
        assert_eq!(rate("10/250ms"), Ok(Rate::new(10, Duration::from_millis(250))));
        for bad in ["0/s", "-1/s", "10", "10/", "10/0s", "10/parsec", "5000000000/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(
            range("50ms..2s"),
            Ok(DurationRange::new(Duration::from_millis(50), Duration::from_secs(2)))
        );
        assert!(range("2s..50ms").unwrap_err().to_string().contains("50ms..2s"));
        assert_eq!(window("100"), Ok(Window::Calls(100)));
        assert_eq!(window("10s"), Ok(Window::Time(Duration::from_secs(10))));
    }
}
