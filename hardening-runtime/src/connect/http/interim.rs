//! Interim answers (1xx) before the one that counts. HTTP sets no number, and the HTTP machinery reads as many as come.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ::http::Request;
use tokio::sync::Notify;

/// Servers send one or two: 100 where a body is asked for, 102 while they work, 103 with links.
const MOST: u32 = 16;

/// Those of one request, over HTTP/1.
#[derive(Debug, Default)]
pub(super) struct Interim {
    came: AtomicU32,
    too_many: Notify,
}

impl Interim {
    /// Counts those of this request.
    pub(super) fn of<B>(request: &mut Request<B>) -> Arc<Self> {
        let interim = Arc::new(Self::default());
        let counted = Arc::clone(&interim);
        hyper::ext::on_informational(request, move |_| counted.one_more());
        interim
    }

    fn one_more(&self) {
        if self.came.fetch_add(1, Ordering::Relaxed) == MOST {
            // Kept until somebody waits.
            self.too_many.notify_one();
        }
    }

    /// Completes once there are too many.
    pub(super) async fn are_too_many(&self) -> TooMany {
        self.too_many.notified().await;
        TooMany
    }
}

/// There were too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MOST} interim answers (1xx) came and no other")
    }
}

impl std::error::Error for TooMany {}
