//! The time of an answer as HTTP writes it (RFC 9110, section 5.6.7).

use crate::telemetry::log::civil;

/// `Sun, 06 Nov 1994 08:49:37 GMT`, so many seconds after the beginning of 1970.
pub(crate) fn of(second: u64) -> String {
    const WEEK: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const YEAR: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, time) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    // Months are 1 to 12, and the first of 1970 was a Thursday.
    let (month, week) = (YEAR[(month as usize - 1) % 12], WEEK[(days % 7) as usize]);
    format!(
        "{week}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT",
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_http() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_288_013, "Sat, 21 Nov 2026 19:06:53 GMT"),
        ] {
            assert_eq!(of(second), text);
        }
    }
}
