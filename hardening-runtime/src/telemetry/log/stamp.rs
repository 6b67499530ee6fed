//! The time of a line: RFC 3339 in UTC with microseconds, of which only the last digits are written anew within a second.

use std::time::Duration;

/// `2026-11-21T19:06:53.000000Z`.
pub(super) const LENGTH: usize = 27;

/// The last time that was written.
#[derive(Debug)]
pub(super) struct Stamp {
    second: u64,
    text: [u8; LENGTH],
}

impl Default for Stamp {
    fn default() -> Self {
        let mut stamp = Self { second: 0, text: *b"0000-00-00T00:00:00.000000Z" };
        stamp.begin(0);
        stamp
    }
}

impl Stamp {
    /// The time that lies so far after the beginning of 1970, as text.
    pub(super) fn at(&mut self, since_1970: Duration) -> &[u8; LENGTH] {
        if since_1970.as_secs() != self.second {
            self.begin(since_1970.as_secs());
        }
        self.digits(20..26, since_1970.subsec_micros().into());
        &self.text
    }

    fn begin(&mut self, second: u64) {
        self.second = second;
        let (year, month, day) = civil(second / 86_400);
        let time = second % 86_400;
        for (at, number) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, time / 3600),
            (14..16, time / 60 % 60),
            (17..19, time % 60),
        ] {
            self.digits(at, number);
        }
    }

    fn digits(&mut self, at: std::ops::Range<usize>, mut number: u64) {
        for digit in self.text[at].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// Year, month and day of the civil calendar, so many days after the first of 1970 (Hinnant, chrono-compatible low-level date
/// algorithms: years begin with March, and 400 of them are an era).
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut stamp = Stamp::default();
        for (second, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 7, "1970-01-01T00:00:00.000007Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, 120_000, "2024-02-29T23:59:59.120000Z"),
            (1_709_251_200, 0, "2024-03-01T00:00:00.000000Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (1_795_288_013, 1, "2026-11-21T19:06:53.000001Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
        ] {
            let at = Duration::from_secs(second) + Duration::from_micros(micros);
            assert_eq!(str::from_utf8(stamp.at(at)), Ok(text));
        }
    }
}
