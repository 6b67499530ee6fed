//! What the invariants share.

/// Nanoseconds, as policies count them.
pub(crate) type Nanos = u64;

pub(crate) const MILLI: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// Runs a property over as many seeds; the seed of a failure is written above its message.
pub(crate) fn for_each_seed(seeds: u64, property: impl Fn(&mut fastrand::Rng)) {
    for seed in 0..seeds {
        let told = Told(seed);
        property(&mut fastrand::Rng::with_seed(seed));
        std::mem::forget(told);
    }
}

struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("with seed {}:", self.0);
    }
}
