//! An answer in the store.

/// An answer as it is kept.
#[derive(Debug)]
pub enum Stored {
    /// A success, in the form that its type chose.
    Success(Vec<u8>),
    /// A success whose answer nobody asks for again.
    Done,
    /// An error that came of running the body.
    Error(Vec<u8>),
    /// It was given, and could not be kept: too large, or a stream.
    Unkept,
}

impl Stored {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Success(kept) | Self::Error(kept) => kept.len() as u64,
            Self::Done | Self::Unkept => 0,
        }
    }

    /// Without what was reserved while it was written: it is held for long.
    pub(super) fn shrunk(mut self) -> Self {
        if let Self::Success(kept) | Self::Error(kept) = &mut self {
            kept.shrink_to_fit();
        }
        self
    }
}
