//! Bodies of answers: handed to their connection in pieces, and counted to their end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::body::and_rest;
use super::memory::HeldBytes;
use super::panics::{self, Place};
use super::streams;
use super::wire::Outgoing;
use crate::clock::{self, Nanos};
use crate::context;

/// An answer is handed to the connection in pieces of at most this many bytes, so that it counts as being
/// answered until the client has taken all but the last.
pub(super) const PIECE: usize = 64 * 1024;

/// The same over HTTP/2, where a piece may stay in memory until the client has room for it: as much as is sent at once.
pub(super) const HTTP2_PIECE: usize = 16 * 1024;

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

    /// What its pieces are handed over through, where they may stay in memory after that.
    fn outgoing(&self) -> Option<Outgoing>;

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
    held: Option<Arc<HeldBytes>>,
    /// Where pieces of it stay in memory once they were handed over.
    outgoing: Option<Outgoing>,
    /// What it ends with, while pieces of a larger frame are not on their way yet: their stream is there until they are, so that
    /// it can be broken off.
    last: Option<Last>,
    /// How many pieces of it were not on their way when that was looked at last.
    left: usize,
    /// Whether a frame of it was larger than a piece.
    was_large: bool,
    bytes: u64,
    piece: usize,
    longest: Duration,
    /// Its handler has more to give, as far as it was asked: what is waited for is the client.
    waits: bool,
    ending: Option<E>,
}

/// What an answer ends with.
enum Last {
    /// Its last byte.
    Byte(Bytes),
    Trailers(Frame<Bytes>),
    Nothing,
}

impl<E: Ending> Counted<E> {
    pub(crate) fn new(inner: Body, ending: E) -> Self {
        let (piece, longest) = ending.pace();
        let mut this = Self {
            inner,
            rest: Bytes::new(),
            held: None,
            outgoing: ending.outgoing(),
            last: None,
            left: 0,
            was_large: false,
            bytes: 0,
            piece,
            longest,
            waits: false,
            ending: Some(ending),
        };
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

    /// A frame that is more than a piece stays in memory until all of its pieces are on their way.
    fn holds(&mut self, task: &Waker) {
        let Some(ending) = &self.ending else { return };
        self.held = Some(Arc::new(ending.holds(self.rest.len() as u64, task)));
        self.was_large = true;
        if self.outgoing.is_some() && self.inner.is_end_stream() {
            let last = self.rest.split_off(self.rest.len() - 1);
            // A copy, which keeps nothing of the others.
            self.last = Some(Last::Byte(Bytes::copy_from_slice(&last)));
        }
    }

    /// The next piece of what is at hand.
    fn piece(&mut self, task: &Waker) -> Frame<Bytes> {
        if self.held.is_none() && self.rest.len() > self.piece {
            self.holds(task);
        }
        let mut piece = self.rest.split_to(self.rest.len().min(self.piece));
        self.bytes += piece.len() as u64;
        if let Some(outgoing) = &self.outgoing {
            piece = outgoing.over(piece, self.held.as_ref());
            self.left += 1;
        }
        if self.rest.is_empty() {
            self.held = None;
        }
        if self.is_over() {
            self.end(true);
        }
        self.handed_over();
        Frame::data(piece)
    }

    /// Whether all that was handed over is on its way.
    fn is_taken(&mut self, task: &Waker) -> bool {
        let left = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.left(task));
        if left < std::mem::replace(&mut self.left, left) {
            self.handed_over();
        }
        left == 0
    }

    /// What it ends with.
    fn last(&mut self, last: Last, task: &Waker) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.was_large && !self.is_taken(task) {
            self.last = Some(last);
            return Poll::Pending;
        }
        Poll::Ready(match last {
            Last::Byte(byte) => {
                self.rest = byte;
                Some(Ok(self.piece(task)))
            }
            Last::Trailers(frame) => {
                if let (Some(ending), Some(trailers)) = (&mut self.ending, frame.trailers_ref()) {
                    ending.trailers(trailers);
                }
                if self.inner.is_end_stream() {
                    self.end(true);
                }
                self.handed_over();
                Some(Ok(frame))
            }
            Last::Nothing => {
                self.end(true);
                None
            }
        })
    }

    /// Whether nothing of it is left to hand over.
    fn is_over(&self) -> bool {
        self.rest.is_empty() && self.last.is_none() && self.inner.is_end_stream()
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
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece(cx.waker()))));
        }
        if let Some(last) = self.last.take() {
            return self.last(last, cx.waker());
        }
        streams::waits_for_its_handler();
        let next = self.next(cx);
        if next.is_pending() {
            self.waits_for_client(false);
        }
        match ready!(next) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Poll::Ready(Some(Ok(self.piece(cx.waker()))))
                }
                Err(frame) => self.last(Last::Trailers(frame), cx.waker()),
            },
            Some(Err(error)) => {
                if let Some(ending) = &self.ending {
                    ending.broke(&error);
                }
                self.end(false);
                Poll::Ready(Some(Err(error)))
            }
            None => self.last(Last::Nothing, cx.waker()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let last = match &self.last {
            Some(Last::Byte(byte)) => byte.len(),
            _ => 0,
        };
        and_rest(self.inner.size_hint(), self.rest.len() + last)
    }
}

impl<E: Ending> Drop for Counted<E> {
    fn drop(&mut self) {
        // An empty body is never polled; a HEAD answer's is not either.
        self.end(self.is_over());
    }
}
