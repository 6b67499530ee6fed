//! The delay before a retry, as a pure function.

use hardening_spec::{Jitter, RetrySpec};

use crate::clock::{Nanos, nanos};

/// How delays grow and spread. Full, equal and decorrelated jitter are those of the AWS architecture blog's
/// "Exponential Backoff And Jitter".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    base: Nanos,
    cap: Nanos,
    factor: f64,
    jitter: Jitter,
}

// Delays are positive and at most `cap`, so the way from and to f64 loses nothing that matters.
#[allow(clippy::cast_sign_loss)]
impl Backoff {
    /// The backoff of `spec`.
    pub fn new(spec: &RetrySpec) -> Self {
        Self {
            base: nanos(spec.backoff.from),
            cap: nanos(spec.backoff.to),
            factor: spec.factor,
            jitter: spec.jitter,
        }
    }

    /// The delay before retry `retry` (1 is the first), after the delay `last`; `random` is uniform in 0..1.
    pub fn delay(&self, retry: u32, last: Nanos, random: f64) -> Nanos {
        let between = |low: f64, high: f64| low + (high - low) * random;
        let (base, cap) = (self.base as f64, self.cap as f64);
        let delay = match self.jitter {
            Jitter::None => return self.plain(retry),
            Jitter::Full => between(0.0, self.plain(retry) as f64),
            Jitter::Equal => {
                let half = self.plain(retry) as f64 / 2.0;
                between(half, half * 2.0)
            }
            Jitter::Decorrelated => {
                let last = if last == 0 { base } else { last as f64 };
                between(base, last * 3.0).clamp(base, cap)
            }
        };
        (delay as Nanos).min(self.cap)
    }

    /// What is added to the delay before retry `retry` that the other side asked for: up to the backoff's own, so that callers
    /// who were told the same do not come back together. Nothing without jitter.
    pub fn spread(&self, retry: u32, random: f64) -> Nanos {
        match self.jitter {
            Jitter::None => 0,
            Jitter::Full | Jitter::Equal | Jitter::Decorrelated => {
                (self.plain(retry) as f64 * random) as Nanos
            }
        }
    }

    /// `base` grown `retry` - 1 times, capped.
    fn plain(&self, retry: u32) -> Nanos {
        // Nothing does not grow; as floating point it would, to no number, once the factor is infinite.
        if self.base == self.cap || self.base == 0 || retry <= 1 {
            return self.base;
        }
        let grown = self.base as f64 * self.factor.powf(f64::from(retry - 1));
        // Infinity and everything beyond the cap is the cap.
        if grown < self.cap as f64 { grown as Nanos } else { self.cap }
    }
}
