//! `#[idempotent]`: a request that is sent again is answered, not done again.
//!
//! Source: the IETF draft "The Idempotency-Key HTTP Header Field", with fences against an owner that was thought gone.

mod credentials;
mod replay;
mod room;
mod shares;
mod store;
mod stored;
mod ticket;

use std::sync::atomic::{AtomicU64, Ordering};

use hardening_spec::IdempotentSpec;

use crate::clock::Nanos;
use crate::once_a_minute::OnceAMinute;

pub use credentials::{Credentials, Presented};
#[cfg(feature = "service")]
pub(crate) use replay::REPLAYED;
#[cfg(feature = "service")]
pub use replay::{AsJson, AsResponse};
pub use replay::{Done, Never, NoContent, Replay};
pub use store::{Begin, Claim, Memory};
pub use stored::Stored;
pub use ticket::{Digest, Ticket};

/// What became of a request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was the first with its key.
    New,
    /// It was answered with what the first one was answered.
    Replayed,
    /// The first one was still being worked on.
    Conflict,
    /// Its key had been used with another request.
    Mismatch,
    /// It had no key.
    KeyMissing,
    /// The first one had gone away unfinished, so it was run.
    TakenOver,
    /// The first one had gone away unfinished, and it was refused.
    Unknown,
    /// Another had taken over while it was held up: it was dropped, and changed nothing.
    Lost,
    /// There was no room for its key.
    Full,
}

impl Fate {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Replayed,
        Self::Conflict,
        Self::Mismatch,
        Self::KeyMissing,
        Self::TakenOver,
        Self::Unknown,
        Self::Lost,
        Self::Full,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::Mismatch => "mismatch",
            Self::KeyMissing => "key_missing",
            Self::TakenOver => "taken_over",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
            Self::Full => "full",
        }
    }
}

/// The answers that one call site keeps.
#[derive(Debug)]
pub struct Idempotency {
    /// Where they are kept.
    pub store: Memory,
    fates: [AtomicU64; Fate::ALL.len()],
    /// That there is no room, which clients bring about.
    no_room: OnceAMinute,
}

impl Idempotency {
    /// No answer yet.
    pub fn new(spec: &IdempotentSpec) -> Self {
        Self { store: Memory::new(spec), fates: Default::default(), no_room: OnceAMinute::default() }
    }

    /// Whether it is to be said that there is no room.
    pub fn warns(&self, now: Nanos) -> bool {
        self.no_room.is_due(now)
    }

    /// Counts a request.
    pub fn count(&self, fate: Fate) {
        self.fates[fate as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests with this fate.
    pub fn counted(&self, fate: Fate) -> u64 {
        self.fates[fate as usize].load(Ordering::Relaxed)
    }
}
