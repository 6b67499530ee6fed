//! When somebody is told of one route or call: a state machine of moments and counts.

use std::collections::VecDeque;

use crate::clock::Nanos;

/// A window is remembered in so many parts, so that an error may be forgotten by one part too early.
const PARTS: u64 = 60;

/// What must happen for a message, and how often there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) errors: u64,
    pub(super) window: Nanos,
    pub(super) every: Nanos,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Errors since the last message; of the first one, within the window.
    pub(super) errors: u64,
    /// Those of them that nobody was told of because the last message was too recent.
    pub(super) suppressed: u64,
}

/// The errors of one route or call.
#[derive(Debug, Default)]
pub(super) struct Errors {
    /// Errors of the last window, each part with its begin.
    recent: VecDeque<(Nanos, u64)>,
    /// Errors since the last message, and those of them that came while no message was allowed.
    untold: u64,
    suppressed: u64,
    last: Option<Nanos>,
}

impl Errors {
    /// `errors` more have happened by `now`. Answers what somebody must be told now.
    pub(super) fn step(&mut self, rule: &Rule, now: Nanos, errors: u64) -> Option<Told> {
        while self.recent.front().is_some_and(|(begin, _)| now.saturating_sub(*begin) >= rule.window) {
            self.recent.pop_front();
        }
        let silent = self.last.is_some_and(|last| now.saturating_sub(last) < rule.every);
        if errors > 0 {
            let part = rule.window / PARTS;
            match self.recent.back_mut() {
                Some((begin, count)) if now.saturating_sub(*begin) < part => *count += errors,
                _ => self.recent.push_back((now, errors)),
            }
            self.untold += errors;
            self.suppressed += if silent { errors } else { 0 };
        }
        let within: u64 = self.recent.iter().map(|(_, count)| count).sum();
        if silent || within < rule.errors {
            return None;
        }
        let first = self.last.replace(now).is_none();
        let told = Told { errors: if first { within } else { self.untold }, suppressed: self.suppressed };
        (self.untold, self.suppressed) = (0, 0);
        // What was told of counts for no further message.
        self.recent.clear();
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;
    const RULE: Rule = Rule { errors: 5, window: 300 * S, every: 900 * S };

    #[test]
    fn five_errors_in_five_minutes_are_told_of_and_four_are_not() {
        let mut errors = Errors::default();
        for n in 0..4 {
            assert_eq!(errors.step(&RULE, n * 10 * S, 1), None);
        }
        assert_eq!(errors.step(&RULE, 40 * S, 1), Some(Told { errors: 5, suppressed: 0 }));
        // Four in five minutes for an hour.
        let mut errors = Errors::default();
        for n in 0..48 {
            assert_eq!(errors.step(&RULE, n * 76 * S, 1), None, "{n}");
        }
        assert_eq!(Errors::default().step(&RULE, 0, 7), Some(Told { errors: 7, suppressed: 0 }));
    }

    #[test]
    fn what_comes_too_soon_is_counted_and_told_with_the_next_message() {
        let mut errors = Errors::default();
        assert!(errors.step(&RULE, 0, 5).is_some());
        for n in 1..=8 {
            assert_eq!(errors.step(&RULE, n * 100 * S, 5), None, "{n}");
        }
        // 15 of the last window and 25 before it were kept back; 2 more end the silence.
        assert_eq!(errors.step(&RULE, 900 * S, 2), Some(Told { errors: 42, suppressed: 40 }));
        assert_eq!(errors.step(&RULE, 901 * S, 4), None);
    }

    #[test]
    fn when_the_silence_ends_old_errors_are_told_of_only_if_they_are_recent() {
        let mut errors = Errors::default();
        errors.step(&RULE, 0, 5);
        errors.step(&RULE, 10 * S, 100);
        assert_eq!(errors.step(&RULE, 1000 * S, 0), None, "all has been well for long");
        errors.step(&RULE, 2000 * S, 4);
        assert_eq!(errors.step(&RULE, 2001 * S, 1), Some(Told { errors: 105, suppressed: 100 }));
    }

    #[test]
    fn i_72_no_flapping_makes_more_than_one_message_in_each_silence() {
        let mut random = fastrand::Rng::with_seed(72);
        for _ in 0..200 {
            let (mut errors, mut now, mut sent, mut happened, mut told) = (Errors::default(), 0, 0, 0, 0);
            let end = random.u64(1..20) * 900 * S;
            let mut last: Option<Nanos> = None;
            while now < end {
                now += random.u64(0..200) * S;
                let more = if random.bool() { random.u64(0..50) } else { 0 };
                happened += more;
                if let Some(message) = errors.step(&RULE, now, more) {
                    assert!(last.is_none_or(|last| now - last >= RULE.every));
                    assert!(message.suppressed <= message.errors);
                    (last, sent, told) = (Some(now), sent + 1, told + message.errors);
                }
                assert!(errors.recent.len() as u64 <= PARTS + 1, "bounded: {}", errors.recent.len());
            }
            assert!(sent <= 2 + now / RULE.every, "{sent} messages in {} s", now / S);
            assert!(told <= happened);
        }
    }

    #[test]
    fn i_74_an_episode_is_told_of_once_by_each_instance_that_saw_it() {
        let mut random = fastrand::Rng::with_seed(74);
        for instances in 1..=5 {
            // Ten minutes of errors, spread over the instances by chance.
            let mut all: Vec<Errors> = (0..instances).map(|_| Errors::default()).collect();
            let mut told = vec![0; instances];
            for second in 0..600 {
                let at = random.usize(0..instances);
                for (n, errors) in all.iter_mut().enumerate() {
                    let more = u64::from(n == at);
                    told[n] += usize::from(errors.step(&RULE, second * S, more).is_some());
                }
            }
            // Long after it, nothing is left to say.
            for errors in &mut all {
                assert_eq!(errors.step(&RULE, 3600 * S, 0), None);
            }
            assert_eq!(told, vec![1; instances], "no store, so each of {instances} says it");
        }
    }
}
