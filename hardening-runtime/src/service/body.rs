//! Bodies of requests, within a size and a time.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{Full, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::memory::{Kept, Unfinished};
use super::spec::BoxError;
use crate::clock::{self, NEVER, Nanos};
use crate::context::Upload;
use crate::policy::idempotency::Digest;

/// Why a request's body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than the limit.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// The connection or its framing broke.
    Broken,
    /// Others need the memory of what has come.
    Crowded,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than the limit",
            Self::TooSlow => "the body did not arrive in time",
            Self::Broken => "the body broke off",
            Self::Crowded => "other bodies need the memory of what has come of it",
        })
    }
}

impl std::error::Error for Unread {}

/// What became of a request's body; shared with what answers the request.
#[derive(Debug, Default)]
pub(crate) struct BodyFate {
    unread: AtomicU8,
    /// When what somebody waited for had come: 0 where nobody did, [`NEVER`] where somebody does.
    awaited: AtomicU64,
}

impl BodyFate {
    fn set(&self, unread: Unread) {
        self.unread.store(unread as u8 + 1, Ordering::Release);
    }

    /// Somebody waits for more of it.
    pub(super) fn awaits(&self) {
        self.awaited.store(NEVER, Ordering::Relaxed);
    }

    /// Whether somebody waits for more of it.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) == NEVER
    }

    /// More of it has come, or its end.
    pub(super) fn came(&self, now: Nanos) {
        if self.is_awaited() {
            self.awaited.store(now, Ordering::Relaxed);
        }
    }

    /// Until when somebody waited for it last.
    #[cfg(feature = "alerts")]
    pub(super) fn awaited_until(&self, now: Nanos) -> Option<Nanos> {
        Some(self.awaited.load(Ordering::Relaxed).min(now)).filter(|until| *until > 0)
    }

    /// Why it was not read to its end, if something kept it from that.
    pub(crate) fn get(&self) -> Option<Unread> {
        match self.unread.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Unread::TooLarge),
            2 => Some(Unread::TooSlow),
            3 => Some(Unread::Broken),
            _ => Some(Unread::Crowded),
        }
    }
}

/// What holds a [`BodyFate`].
pub(crate) trait Fated: Send + Sync + 'static {
    fn fate(&self) -> &BodyFate;

    /// What learns of the body's bytes.
    fn digest(&self) -> Option<&Digest>;

    /// Somebody waits for more of it.
    fn waits(&self);

    /// Some of it has come, for which somebody had waited.
    fn moved(&self, now: Nanos);

    /// Nobody waits for it any more.
    fn dropped(&self);

    /// Whether it comes over HTTP/1.
    fn is_http1(&self) -> bool;

    /// Counts what is kept of it until the rest has come.
    fn unfinished(&self) -> Unfinished;

    /// Where the calls that work on the request see how it comes along.
    fn upload(&self) -> &Upload;

    /// Completes once the service takes nothing new and waits for what it has.
    #[cfg(feature = "grpc")]
    fn stops(&self) -> Stops;
}

/// What completes once the service stops.
#[cfg(feature = "grpc")]
pub(crate) type Stops = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A frame of fewer bytes is copied to those before it: it may be all that was read into memory of many times its size, which it
/// would keep for as long as the body is collected. The first one is left as it is, since most bodies have no other.
const SMALL: usize = 4096;
/// Room for small frames, shared by as many as fit.
const ROOM: usize = 2 * SMALL;

/// Of a body that may be no larger than this, all that has come counts as kept: some readers copy what they keep, as those of
/// multipart forms do. Of a larger one that would count what its reader has long passed on.
const SHORT: u64 = 1 << 20;

/// A request's body that ends with an error at its limit or its deadline.
pub(crate) struct Bounded<L: Fated, B = Incoming> {
    inner: B,
    left: u64,
    limit: u64,
    first: bool,
    room: BytesMut,
    /// What its reader keeps of it, and where that counts.
    kept: Option<(Kept, Unfinished)>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    live: Arc<L>,
}

impl<L: Fated, B> Bounded<L, B> {
    pub(crate) fn new(inner: B, limit: u64, deadline: Instant, live: Arc<L>) -> Self {
        let room = BytesMut::new();
        Self { inner, left: limit, limit, first: true, room, kept: None, deadline, timer: None, live }
    }

    fn gathered(&mut self, data: &[u8]) -> Bytes {
        if self.room.capacity() < data.len() {
            self.room = BytesMut::with_capacity(ROOM);
        }
        self.room.extend_from_slice(data);
        self.room.split().freeze()
    }

    /// A part of it, as it is handed over. A small one that comes first is most often all there is.
    fn part(&mut self, data: Bytes) -> Bytes {
        let first = std::mem::take(&mut self.first);
        let data = match data.len() {
            0..SMALL if first => return data,
            0..SMALL => self.gathered(&data),
            _ => data,
        };
        let (kept, _) = self.kept.get_or_insert_with(|| (Kept::default(), self.live.unfinished()));
        kept.part(data)
    }

    /// Whether others need the memory of what its reader keeps.
    fn is_crowded(&mut self, task: &Waker) -> bool {
        let came = if self.limit <= SHORT { self.limit - self.left } else { 0 };
        let too_much = |(kept, unfinished): &mut (Kept, Unfinished)| {
            unfinished.is_too_much(kept.bytes().max(came), task)
        };
        self.kept.as_mut().is_some_and(too_much)
    }

    fn fail<T>(&self, unread: Unread) -> Poll<Option<Result<T, BoxError>>> {
        self.live.fate().set(unread);
        self.live.upload().is_unread();
        Poll::Ready(Some(Err(match unread {
            Unread::TooLarge => too_large(),
            unread => unread.into(),
        })))
    }
}

/// The error that axum's extractors make 413 of. Nothing else makes it than what it bounds.
fn too_large() -> BoxError {
    let mut limited = Limited::new(Full::new(Bytes::from_static(b"more")), 0);
    match Pin::new(&mut limited).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => error,
        _ => Unread::TooLarge.into(),
    }
}

impl<L: Fated, B> Drop for Bounded<L, B> {
    fn drop(&mut self) {
        self.live.upload().is_dropped(clock::now);
        self.live.dropped();
    }
}

impl<L, B> HttpBody for Bounded<L, B>
where
    L: Fated,
    B: HttpBody<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_crowded(cx.waker()) {
            return self.fail(Unread::Crowded);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let fate = self.live.fate();
        match polled {
            Poll::Pending => {
                fate.awaits();
                self.live.upload().awaits(true);
                self.live.waits();
            }
            Poll::Ready(_) if fate.is_awaited() => {
                let now = clock::now();
                fate.came(now);
                self.live.moved(now);
                self.live.upload().awaits(false);
            }
            Poll::Ready(_) => {}
        }
        match polled {
            // Trailers of no field are none over HTTP/1: a bare LF stands where the body should end, and others may read an end there.
            Poll::Ready(Some(Ok(frame)))
                if frame.trailers_ref().is_some_and(HeaderMap::is_empty) && self.live.is_http1() =>
            {
                tracing::debug!("a request's body ended in a bare LF");
                self.fail(Unread::Broken)
            }
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(size) {
                    Some(left) => self.left = left,
                    None => return self.fail(Unread::TooLarge),
                }
                if let (Some(digest), Some(data)) = (self.live.digest(), frame.data_ref()) {
                    digest.add(data);
                }
                Poll::Ready(Some(Ok(frame.map_data(|data| self.part(data)))))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a request's body broke off");
                self.fail(Unread::Broken)
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let deadline = self.deadline;
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                ready!(timer.as_mut().poll(cx));
                self.fail(Unread::TooSlow)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The size of a body, of which this has come and was not handed over yet.
pub(super) fn and_rest(mut hint: SizeHint, rest: usize) -> SizeHint {
    let rest = rest as u64;
    if let Some(upper) = hint.upper() {
        hint.set_upper(upper.saturating_add(rest));
    }
    hint.set_lower(hint.lower().saturating_add(rest));
    hint
}
