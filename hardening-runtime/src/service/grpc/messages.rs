//! What a client sends: messages, each within a size and a time. A stream of them may go on for as long as it likes.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;

use crate::clock;
use crate::service::body::{Fated, Stops, and_rest};
use crate::service::memory::Unfinished;
use crate::service::spec::BoxError;

thread_local! {
    /// Whether a call's body gave something to what is polled.
    static GAVE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `poll`, and says whether a call's body gave something to it: what fails at once then may have failed at that.
pub(in crate::service) fn reading<T>(poll: impl FnOnce() -> T) -> (T, bool) {
    let before = GAVE.replace(false);
    let polled = poll();
    (polled, GAVE.replace(before))
}

/// How long a client may say nothing between two messages once the service stops.
const SILENCE: Duration = Duration::from_secs(5);

/// A flag and four bytes of length stand before each message.
const PREFIX: usize = 5;

/// Where in its messages a body is.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX],
    /// How much of the prefix has come.
    have: usize,
    /// How much of the message is to come.
    left: u64,
}

/// What a part of a body did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// More of the message that had begun before.
    More,
    /// The begin of one that is not complete.
    Begun,
    /// The end of one, and nothing else.
    Whole,
}

/// A message is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TooLarge;

impl Framing {
    /// Reads on. A message that is too large is known by its prefix, before any of it is kept.
    fn read(&mut self, mut data: &[u8], limit: u64) -> Result<Came, TooLarge> {
        let mut came = if self.within() { Came::More } else { Came::Whole };
        while !data.is_empty() {
            if self.have < PREFIX {
                if self.have == 0 {
                    came = Came::Begun;
                }
                let take = data.len().min(PREFIX - self.have);
                self.prefix[self.have..self.have + take].copy_from_slice(&data[..take]);
                self.have += take;
                data = &data[take..];
                if self.have == PREFIX {
                    let [_, a, b, c, d] = self.prefix;
                    self.left = u64::from(u32::from_be_bytes([a, b, c, d]));
                    if self.left > limit {
                        return Err(TooLarge);
                    }
                }
            } else {
                let take = self.left.min(data.len() as u64);
                self.left -= take;
                // It is at most as much as there is.
                data = &data[take as usize..];
            }
            if self.have == PREFIX && self.left == 0 {
                self.have = 0;
                came = Came::Whole;
            }
        }
        Ok(came)
    }

    /// How much of `data` there is up to the end of the message that it begins or goes on with.
    fn one(&self, data: &[u8]) -> usize {
        let begun = data.len().min(PREFIX - self.have);
        let left = if self.have + begun < PREFIX {
            0
        } else if begun == 0 {
            self.left
        } else {
            let mut prefix = self.prefix;
            prefix[self.have..].copy_from_slice(&data[..begun]);
            let [_, a, b, c, d] = prefix;
            u64::from(u32::from_be_bytes([a, b, c, d]))
        };
        // It is at most as much as there is.
        begun + left.min((data.len() - begun) as u64) as usize
    }

    /// How much has come of the message that has begun.
    fn came(&self) -> u64 {
        let [_, a, b, c, d] = self.prefix;
        match self.have {
            PREFIX => u64::from(u32::from_be_bytes([a, b, c, d])).saturating_sub(self.left),
            _ => 0,
        }
    }

    /// Whether a message has begun and is not complete.
    fn within(&self) -> bool {
        self.have > 0
    }
}

/// A call's body that ends with a status at the limit of a message or its time.
///
/// It hands over one message at a time, however many came in one frame: so it is known of each whether what reads it failed at it.
pub(super) struct Messages<L: Fated> {
    inner: Body,
    /// What came with the last message that was handed over.
    rest: Bytes,
    framing: Framing,
    limit: u64,
    time: Duration,
    /// By when the message that has begun must be there. Who waits for one that has not is bounded by the call's deadline.
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Counts what has come of the message that has begun, once that is much.
    unfinished: Option<Unfinished>,
    end: End,
    live: Arc<L>,
}

/// What becomes of a client that says nothing between two messages.
enum End {
    /// It was never waited for.
    Unasked,
    /// Nothing, as long as the service does not stop.
    Serves(Stops),
    /// The service stops. By then it must have begun the next message, where one is waited for.
    Stops(Option<Instant>),
    /// It was told that the service is gone.
    Told,
}

impl<L: Fated> Messages<L> {
    pub(super) fn new(inner: Body, limit: u64, time: Duration, live: Arc<L>) -> Self {
        Self {
            inner,
            rest: Bytes::new(),
            framing: Framing::default(),
            limit,
            time,
            due: None,
            timer: None,
            unfinished: None,
            end: End::Unasked,
            live,
        }
    }

    /// By when the next message must have begun: a client that is silent would make every shutdown as long as it may be.
    fn silent_until(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        if let End::Unasked = self.end {
            self.end = End::Serves(self.live.stops());
        }
        if let End::Serves(stops) = &mut self.end
            && stops.as_mut().poll(cx).is_ready()
        {
            self.end = End::Stops(None);
        }
        match &mut self.end {
            End::Stops(until) => Some(*until.get_or_insert_with(|| Instant::now() + SILENCE)),
            End::Unasked | End::Serves(_) | End::Told => None,
        }
    }

    /// A frame has come.
    fn speaks(&mut self) {
        if let End::Stops(until) = &mut self.end {
            *until = None;
        }
    }

    /// The next message of what came, or the part of it that there is.
    fn next(&mut self) -> Result<Frame<Bytes>, BoxError> {
        let one = self.rest.split_to(self.framing.one(&self.rest));
        self.took(&one)?;
        Ok(Frame::data(one))
    }

    /// Whether others need the memory of what has come of a message.
    fn is_crowded(&mut self, task: &Waker) -> bool {
        let came = self.framing.came();
        if came == 0 {
            self.unfinished = None;
            return false;
        }
        self.unfinished.get_or_insert_with(|| self.live.unfinished()).is_too_much(came, task)
    }

    fn took(&mut self, data: &[u8]) -> Result<(), BoxError> {
        if let Some(digest) = self.live.digest() {
            digest.add(data);
        }
        match self.framing.read(data, self.limit) {
            Ok(Came::More) => {}
            Ok(Came::Begun) => self.due = Some(Instant::now() + self.time),
            Ok(Came::Whole) => self.due = None,
            Err(TooLarge) => {
                self.live.upload().is_unread();
                let message = format!("The message is larger than {} bytes.", self.limit);
                return Err(Status::resource_exhausted(message).into());
            }
        }
        Ok(())
    }
}

impl<L: Fated> Drop for Messages<L> {
    fn drop(&mut self) {
        self.live.dropped();
    }
}

impl<L: Fated> HttpBody for Messages<L> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.rest.is_empty() {
            GAVE.set(true);
            return Poll::Ready(Some(self.next()));
        }
        if let End::Told = self.end {
            return Poll::Ready(None);
        }
        if self.is_crowded(cx.waker()) {
            self.live.upload().is_unread();
            self.live.dropped();
            let message = "Too much memory is held by messages that are not complete.";
            return Poll::Ready(Some(Err(Status::unavailable(message).into())));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        GAVE.set(GAVE.get() || polled.is_ready());
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.live.moved(clock::now());
                self.speaks();
                Poll::Ready(Some(match frame.into_data() {
                    Ok(data) => {
                        self.rest = data;
                        self.next()
                    }
                    Err(frame) => Ok(frame),
                }))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a call's body broke off");
                self.live.upload().is_unread();
                self.live.dropped();
                Poll::Ready(Some(Err(Status::cancelled("The call broke off.").into())))
            }
            Poll::Ready(None) => {
                self.live.dropped();
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.live.waits();
                let (due, late) = match self.due {
                    Some(due) => (due, true),
                    None => match self.silent_until(cx) {
                        Some(until) => (until, false),
                        None => return Poll::Pending,
                    },
                };
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                ready!(timer.as_mut().poll(cx));
                let status = if late {
                    Status::deadline_exceeded("The message did not arrive in time.")
                } else {
                    self.end = End::Told;
                    self.live.dropped();
                    Status::unavailable("The service is shutting down.")
                };
                Poll::Ready(Some(Err(status.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        and_rest(self.inner.size_hint(), self.rest.len())
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(length).unwrap().to_be_bytes());
        message.extend(vec![7; length]);
        message
    }

    #[test]
    fn each_message_has_the_limit_and_a_stream_has_none() {
        let mut framing = Framing::default();
        for _ in 0..1000 {
            assert_eq!(framing.read(&message(100), 100), Ok(Came::Whole));
        }
        assert_eq!(framing.read(&message(0), 100), Ok(Came::Whole), "an empty message is one");
        assert_eq!(framing.read(&message(101)[..4], 100), Ok(Came::Begun), "its length is not known yet");
        assert_eq!(framing.read(&message(101)[4..5], 100), Err(TooLarge), "none of it has come");
    }

    #[test]
    fn messages_are_handed_over_one_at_a_time_however_they_came() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..500 {
            let lengths: Vec<usize> = (0..random.usize(1..6)).map(|_| random.usize(0..40)).collect();
            let stream: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let (mut framing, mut at, mut ends) = (Framing::default(), 0, Vec::new());
            while at < stream.len() {
                // What comes at once.
                let until = random.usize(at + 1..=stream.len());
                while at < until {
                    let one = framing.one(&stream[at..until]);
                    assert!(one > 0);
                    let came = framing.read(&stream[at..at + one], 40).unwrap();
                    at += one;
                    assert!(came == Came::Whole || at == until, "{lengths:?}");
                    if came == Came::Whole {
                        ends.push(at);
                    }
                }
            }
            let sum = |sum: &mut usize, length: &usize| {
                *sum += PREFIX + length;
                Some(*sum)
            };
            assert_eq!(ends, lengths.iter().scan(0, sum).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_message_begins_once_and_ends_once_however_it_is_cut() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let lengths: Vec<usize> = (0..random.usize(1..6)).map(|_| random.usize(0..40)).collect();
            let stream: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut framing = Framing::default();
            let (mut at, mut came) = (0, Came::Whole);
            while at < stream.len() {
                let next = random.usize(at + 1..=stream.len());
                let within = framing.within();
                let now = framing.read(&stream[at..next], 40).unwrap();
                assert!(now != Came::More || within, "{lengths:?}");
                (at, came) = (next, now);
                let ends = lengths.iter().scan(0, |sum, length| {
                    *sum += PREFIX + length;
                    Some(*sum)
                });
                let between = ends.into_iter().any(|end| end == at);
                assert_eq!((came == Came::Whole, framing.within()), (between, !between), "{lengths:?} {at}");
            }
            assert_eq!(came, Came::Whole);
        }
    }
}
