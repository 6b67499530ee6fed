//! What a client showed to be known by.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use super::ticket::wide;

/// A digest of a client's credentials, under seeds of the process: nothing can be read back from it, and nobody outside can aim
/// at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials(u128);

impl Credentials {
    /// Those of a client that shows none.
    pub const NONE: Self = Self(0);

    /// Those that a client shows.
    pub fn of(shown: impl IntoIterator<Item = impl Hash>) -> Self {
        let shown: Vec<_> = shown.into_iter().collect();
        if shown.is_empty() { Self::NONE } else { Self(wide(&shown)) }
    }
}

/// What makes a digest.
type Make = Box<dyn FnOnce() -> Credentials + Send>;

/// What a client shows, of which a digest is made once somebody asks: most requests reach no call that does.
#[derive(Clone, Default)]
pub struct Presented(Option<Arc<LazyLock<Credentials, Make>>>);

impl Presented {
    /// Nothing.
    pub const NOTHING: Self = Self(None);

    /// What `digest` knows, which is asked at most once.
    pub fn new(digest: impl FnOnce() -> Credentials + Send + 'static) -> Self {
        Self(Some(Arc::new(LazyLock::new(Box::new(digest)))))
    }

    /// The digest of it.
    pub fn digest(&self) -> Credentials {
        self.0.as_ref().map_or(Credentials::NONE, |digest| ***digest)
    }
}

impl fmt::Debug for Presented {
    /// Neither what was shown nor its digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "presented" } else { "nothing" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_digest_is_made_once_and_when_somebody_asks() {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let shown = Presented::new(|| {
            MADE.fetch_add(1, Ordering::Relaxed);
            Credentials::of(["sid=1"])
        });
        let request =
            crate::context::Request { credentials: Some(shown), ..crate::context::Request::default() };
        let again = request.clone();
        assert_eq!(MADE.load(Ordering::Relaxed), 0, "nobody has asked");
        for request in [&request, &again, &request] {
            let ticket = super::super::ticket::Ticket::new(Some(request), 1, 7);
            assert_eq!(ticket.credentials, Some(Credentials::of(["sid=1"])));
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
        assert_eq!(Presented::NOTHING.digest(), Credentials::NONE);
        assert!(!format!("{request:?}").contains("sid"), "{request:?}");
    }
}
