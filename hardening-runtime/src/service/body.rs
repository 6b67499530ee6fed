//! Bodies: requests' within a size and a time, answers' counted to their end.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{Full, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::answer_memory::HeldBytes;
use super::panics::{self, Place};
use super::spec::BoxError;
use super::streams;
use crate::clock::{self, NEVER, Nanos};
use crate::context::{self, Upload};
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
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than the limit",
            Self::TooSlow => "the body did not arrive in time",
            Self::Broken => "the body broke off",
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
            _ => Some(Unread::Broken),
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

/// A request's body that ends with an error at its limit or its deadline.
pub(crate) struct Bounded<L: Fated, B = Incoming> {
    inner: B,
    left: u64,
    first: bool,
    room: BytesMut,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    live: Arc<L>,
}

impl<L: Fated, B> Bounded<L, B> {
    pub(crate) fn new(inner: B, limit: u64, deadline: Instant, live: Arc<L>) -> Self {
        Self { inner, left: limit, first: true, room: BytesMut::new(), deadline, timer: None, live }
    }

    fn gathered(&mut self, data: &[u8]) -> Bytes {
        if self.room.capacity() < data.len() {
            self.room = BytesMut::with_capacity(ROOM);
        }
        self.room.extend_from_slice(data);
        self.room.split().freeze()
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
                let first = std::mem::take(&mut self.first);
                let frame = frame.map_data(|data| match data.len() {
                    0..SMALL if !first => self.gathered(&data),
                    _ => data,
                });
                Poll::Ready(Some(Ok(frame)))
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

/// An answer is handed to the connection in pieces of at most this many bytes, so that it counts as being
/// answered until the client has taken all but the last.
pub(super) const PIECE: usize = 64 * 1024;

/// The same over HTTP/2, where a piece may stay in memory until the client has room for it: as much as is sent at once.
pub(super) const HTTP2_PIECE: usize = 16 * 1024;

/// The size of a body, of which this has come and was not handed over yet.
pub(super) fn and_rest(mut hint: SizeHint, rest: &Bytes) -> SizeHint {
    let rest = rest.len() as u64;
    if let Some(upper) = hint.upper() {
        hint.set_upper(upper.saturating_add(rest));
    }
    hint.set_lower(hint.lower().saturating_add(rest));
    hint
}

/// What learns how an answer comes along.
pub(crate) trait Ending: Send + 'static {
    /// The request that is answered, once a route has it.
    fn request(&self) -> Option<Arc<context::Request>>;

    /// By when the whole answer must be there, where that is known.
    fn deadline(&self) -> Option<Instant>;

    /// What the answer ends with has been handed over.
    fn trailers(&mut self, trailers: &HeaderMap);

    /// The answer broke off, and why.
    fn broke(&self, error: &axum::Error);

    /// How many bytes of it are handed over at once at most, and how long its client may take nothing of what was.
    fn pace(&self) -> (usize, Duration);

    /// So many bytes of it are in memory until the client has taken them; `task` hands them over.
    fn holds(&self, bytes: u64, task: &Waker) -> HeldBytes;

    /// Hands a piece of it over.
    fn hands(&self, piece: Bytes) -> Bytes;

    /// A part of it was handed over, and more is to come.
    fn moved(&self, now: Nanos);

    /// Whether what is left of the answer waits for its client alone; until this is called it does not.
    fn waits_for_client(&self, waits: bool);

    /// Called once, when the last byte was handed to the connection (`whole`) or the answer was dropped before.
    fn ended(&mut self, bytes: u64, whole: bool);
}

/// An answer's body that tells when it has ended.
pub(crate) struct Counted<E: Ending> {
    inner: Body,
    /// What of the last frame was not yet handed over.
    rest: Bytes,
    /// The memory that it takes, where that is more than a piece.
    held: Option<HeldBytes>,
    bytes: u64,
    piece: usize,
    longest: Duration,
    /// Its handler has more to give, as far as it was asked: what is waited for is the client.
    waits: bool,
    ending: Option<E>,
}

impl<E: Ending> Counted<E> {
    pub(crate) fn new(inner: Body, ending: E) -> Self {
        let (piece, longest) = ending.pace();
        let rest = Bytes::new();
        let mut this =
            Self { inner, rest, held: None, bytes: 0, piece, longest, waits: false, ending: Some(ending) };
        // Over HTTP/2 nothing of it is asked for before its client has room.
        this.waits_for_client(true);
        this
    }

    fn waits_for_client(&mut self, waits: bool) {
        if waits != self.waits
            && let Some(ending) = &self.ending
        {
            self.waits = waits;
            ending.waits_for_client(waits);
        }
    }

    /// A part of it is handed over.
    fn handed_over(&mut self) {
        self.waits_for_client(true);
        streams::waits_for_its_client(self.longest);
        if let Some(ending) = &self.ending {
            ending.moved(clock::now());
        }
    }

    /// The next frame, made within the request that it answers: what is logged meanwhile carries its id.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let inner = &mut self.inner;
        let Some(request) = self.ending.as_ref().and_then(Ending::request) else {
            return Pin::new(inner).poll_frame(cx);
        };
        let frame = poll_fn(|cx| Pin::new(&mut *inner).poll_frame(cx));
        let deadline = self.ending.as_ref().and_then(Ending::deadline);
        pin!(context::scope(request, deadline, panics::at(Place::Handler, frame))).poll(cx)
    }

    /// The next piece of what is at hand.
    fn piece(&mut self, task: &Waker) -> Frame<Bytes> {
        if self.held.is_none()
            && self.rest.len() > self.piece
            && let Some(ending) = &self.ending
        {
            self.held = Some(ending.holds(self.rest.len() as u64, task));
        }
        let mut piece = self.rest.split_to(self.rest.len().min(self.piece));
        self.bytes += piece.len() as u64;
        if let Some(ending) = &self.ending {
            piece = ending.hands(piece);
        }
        if self.rest.is_empty() {
            self.held = None;
        }
        if self.rest.is_empty() && self.inner.is_end_stream() {
            self.end(true);
        }
        self.handed_over();
        Frame::data(piece)
    }

    fn end(&mut self, whole: bool) {
        self.waits_for_client(false);
        if let Some(mut ending) = self.ending.take() {
            ending.ended(self.bytes, whole);
        }
    }
}

impl<E: Ending + Unpin> HttpBody for Counted<E> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        streams::waits_for_its_handler();
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece(cx.waker()))));
        }
        let next = self.next(cx);
        if next.is_pending() {
            self.waits_for_client(false);
        }
        let polled = match ready!(next) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Some(Ok(self.piece(cx.waker())))
                }
                Err(frame) => {
                    if let (Some(ending), Some(trailers)) = (&mut self.ending, frame.trailers_ref()) {
                        ending.trailers(trailers);
                    }
                    if self.inner.is_end_stream() {
                        self.end(true);
                    }
                    self.handed_over();
                    Some(Ok(frame))
                }
            },
            Some(Err(error)) => {
                if let Some(ending) = &self.ending {
                    ending.broke(&error);
                }
                self.end(false);
                Some(Err(error))
            }
            None => {
                self.end(true);
                None
            }
        };
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        and_rest(self.inner.size_hint(), &self.rest)
    }
}

impl<E: Ending> Drop for Counted<E> {
    fn drop(&mut self) {
        // An empty body is never polled; a HEAD answer's is not either.
        let whole = self.rest.is_empty() && self.inner.is_end_stream();
        self.end(whole);
    }
}
