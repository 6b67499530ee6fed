//! One connection's bytes, with what its clock needs to know: idle, receiving a head, or answering.

mod blocks;
mod handed;
mod preface;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use self::blocks::{Blocks, STEP};
use self::handed::Handed;
pub(super) use self::handed::Outgoing;
use self::preface::{OLD_HTTP, PREFACE, more_of_preface};
use super::address::{Peer, Shown};
use super::farewell::Farewell;
use super::slot::Slot;
use super::socket::Socket;
use super::upgrade::Upgraded;
use super::{client, host};
use crate::clock::{self, Nanos, nanos};
use crate::context::Principal;
use crate::once_a_minute::OnceAMinute;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The first byte of its first request.
    First,
    /// The first byte of its next request.
    Next,
    /// The rest of a request's head.
    Head,
    /// More of a request's body, or of an answer that has begun: of a stream, of an upgraded connection, of a client that takes it
    /// slowly.
    More,
}

/// One request in flight, and one whose answer has no head yet: both are counted in one number.
const REQUEST: u64 = 1;
const UNANSWERED: u64 = 1 << 32;

/// How many requests there are in such a number.
const fn requests(in_flight: u64) -> u32 {
    in_flight as u32
}

/// One connection, shared by its reader and writer, its requests and its clock.
#[derive(Debug)]
pub(crate) struct Conn {
    socket: Socket,
    /// Where it is asked to end.
    slot: OnceLock<Weak<Slot>>,
    /// The other end.
    pub(crate) peer: Peer,
    /// What a client is known by that has the peer's address.
    pub(crate) key: u64,
    /// The peer's address as lines show it.
    pub(crate) shown: Box<str>,
    /// Whom the client's certificate names.
    pub(crate) principal: Option<Principal>,
    /// Whom its requests are for.
    pub(super) host: host::Named,
    /// Requests between the end of their head and the end of their answer, and those of them whose answer has no head yet.
    in_flight: AtomicU64,
    /// When one of them last went on.
    moved: AtomicU64,
    /// Those of them that only watch the service's health: they keep no place from anybody.
    watching: AtomicU32,
    /// Those without an answer whose handler waits for their client.
    awaiting: AtomicU32,
    waiting: AtomicU8,
    since: AtomicU64,
    /// When the client stopped taking bytes; 0 while it takes them.
    stalled: AtomicU64,
    /// How long the client may take nothing; 0 for what holds for all.
    pause: AtomicU64,
    /// How many bytes of HTTP/2's preface have come and nothing else; [`OLD_HTTP`] once it cannot be that.
    preface: AtomicU8,
    /// The version of HTTP that the handshake of TLS has agreed on.
    agreed: Option<Version>,
    /// The header fields that come over HTTP/2, and since when some of them have been on their way; 0 while none are.
    blocks: Mutex<Blocks>,
    block_since: AtomicU64,
    /// What was earned over HTTP/2 since bytes were read: by what was sent, and by what passed of requests.
    earned: AtomicU64,
    /// What of answers waits for the client to have room for it.
    pub(super) handed: Arc<Handed>,
    /// Whether its client sends frames over HTTP/2 that are no part of a request, and too many of them.
    floods: AtomicBool,
    /// Whether the first line of a head is still on its way.
    in_first_line: AtomicBool,
    /// The status with which the HTTP machinery refused what it read; 0 while it has not.
    refused: AtomicU16,
    /// Whether the client is told that it ends.
    ends: AtomicBool,
    ending: Notify,
    /// Whether the certificate of its client no longer counts.
    distrusted: AtomicBool,
    /// What is spoken on it once HTTP has ended.
    upgraded: Mutex<Option<Box<Upgraded>>>,
}

impl Conn {
    pub(crate) fn new(socket: Socket, peer: Peer, principal: Option<Principal>) -> Self {
        Self {
            agreed: socket.agreed(),
            socket,
            slot: OnceLock::new(),
            peer,
            key: client::key(peer.ip()),
            shown: Shown(peer.ip().map(|ip| ip.to_canonical())).to_string().into(),
            principal,
            host: host::Named::default(),
            in_flight: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            watching: AtomicU32::new(0),
            awaiting: AtomicU32::new(0),
            waiting: AtomicU8::new(Waiting::First as u8),
            since: AtomicU64::new(clock::now()),
            stalled: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            preface: AtomicU8::new(0),
            blocks: Mutex::default(),
            block_since: AtomicU64::new(0),
            earned: AtomicU64::new(0),
            handed: Arc::default(),
            floods: AtomicBool::new(false),
            in_first_line: AtomicBool::new(false),
            refused: AtomicU16::new(0),
            ends: AtomicBool::new(false),
            ending: Notify::new(),
            distrusted: AtomicBool::new(false),
            upgraded: Mutex::default(),
        }
    }

    /// This slot asks it to end.
    pub(crate) fn is_in(&self, slot: Weak<Slot>) {
        let _ = self.slot.set(slot);
    }

    /// The slot that asks it to end.
    pub(crate) fn slot(&self) -> Weak<Slot> {
        self.slot.get().cloned().unwrap_or_default()
    }

    /// Another protocol is spoken on it once the answer's head is out.
    pub(crate) fn upgrade(&self, upgraded: Upgraded) {
        self.stream_began(clock::now());
        *self.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(upgraded));
    }

    /// What is spoken on it, once HTTP has ended.
    pub(crate) fn upgraded(&self) -> Option<Box<Upgraded>> {
        self.upgraded.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A request's head is complete.
    pub(crate) fn request_began(&self, now: Nanos) {
        self.moved(now);
        self.in_flight.fetch_add(REQUEST + UNANSWERED, Ordering::AcqRel);
    }

    /// The head of a request's answer is complete.
    pub(crate) fn request_answered(&self) {
        self.in_flight.fetch_sub(UNANSWERED, Ordering::AcqRel);
    }

    /// Something is spoken on it that is no request, and counts as one that is answered.
    pub(crate) fn stream_began(&self, now: Nanos) {
        self.moved(now);
        self.in_flight.fetch_add(REQUEST, Ordering::AcqRel);
    }

    /// Some of a request, of an answer or of what else is spoken has come or gone.
    pub(crate) fn moved(&self, now: Nanos) {
        self.moved.store(now, Ordering::Relaxed);
        self.step();
    }

    /// A request, an answer or what else is spoken has come a step further, after which its client may have to say something.
    fn step(&self) {
        if self.is_http2() {
            self.earned.fetch_add(STEP, Ordering::Relaxed);
        }
    }

    /// One of the requests only watches the service's health.
    #[cfg(feature = "grpc")]
    pub(crate) fn watching_began(&self) {
        self.watching.fetch_add(1, Ordering::AcqRel);
        self.may_idle(self.in_flight.load(Ordering::Acquire), clock::now());
    }

    /// The handler of one of the requests waits for its body.
    pub(crate) fn awaits_body(&self) {
        self.awaiting.fetch_add(1, Ordering::AcqRel);
    }

    /// It does no longer.
    pub(crate) fn body_came(&self) {
        self.awaiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// A request is over, the head of whose answer was complete or not; `watched` of one that only watched.
    pub(crate) fn request_ended(&self, now: Nanos, answered: bool, watched: bool) {
        if watched {
            // Before it is one request less, so that there are never more who watch than requests.
            self.watching.fetch_sub(1, Ordering::AcqRel);
        }
        self.step();
        let over = if answered { REQUEST } else { REQUEST + UNANSWERED };
        self.may_idle(self.in_flight.fetch_sub(over, Ordering::AcqRel) - over, now);
    }

    /// If none of the requests does more than watch, it waits for the next one from now on.
    fn may_idle(&self, in_flight: u64, now: Nanos) {
        if requests(in_flight) <= self.watching.load(Ordering::Acquire) {
            self.waits_since(now, Waiting::Next);
        }
    }

    fn wait_for(&self, waiting: Waiting) {
        self.waits_since(clock::now(), waiting);
    }

    fn waits_since(&self, now: Nanos, waiting: Waiting) {
        self.since.store(now, Ordering::Relaxed);
        self.waiting.store(waiting as u8, Ordering::Release);
    }

    /// What it waits for and since when; `None` while something is asked for or answered.
    pub(crate) fn waiting(&self) -> Option<(Waiting, Nanos)> {
        (self.in_flight.load(Ordering::Acquire) == 0).then(|| self.waits())
    }

    /// What it waits for and since when, as far as it may give way: `None` while a handler works on a request. Those that watch the
    /// service's health count as none, and a handler that waits for its client does not work.
    pub(crate) fn idle(&self) -> Option<(Waiting, Nanos)> {
        let in_flight = self.in_flight.load(Ordering::Acquire);
        if requests(in_flight) <= self.watching.load(Ordering::Acquire) {
            Some(self.waits())
        } else {
            let at_work = in_flight / UNANSWERED > self.awaiting.load(Ordering::Acquire).into();
            (!at_work).then(|| (Waiting::More, self.moved.load(Ordering::Relaxed)))
        }
    }

    fn waits(&self) -> (Waiting, Nanos) {
        let waiting = match self.waiting.load(Ordering::Acquire) {
            0 => Waiting::First,
            1 => Waiting::Next,
            _ => Waiting::Head,
        };
        (waiting, self.since.load(Ordering::Relaxed))
    }

    /// The client may take no byte of an answer for so long, in place of what holds for all. Over HTTP/2 the longest of what was
    /// asked for holds for the connection.
    pub(crate) fn client_may_pause(&self, longest: Option<Duration>) {
        let longest = longest.map_or(0, nanos);
        let before = if self.is_http2() {
            self.pause.fetch_max(longest, Ordering::Relaxed)
        } else {
            self.pause.swap(longest, Ordering::Relaxed)
        };
        if longest > before {
            self.socket.gives_up_after(Duration::from_nanos(longest));
        }
    }

    /// How long the client may take no byte of an answer, where that is not what holds for all.
    pub(crate) fn pause(&self) -> Option<Nanos> {
        Some(self.pause.load(Ordering::Relaxed)).filter(|pause| *pause > 0)
    }

    /// Since when the client has taken no byte of the socket that is ready for it.
    pub(crate) fn stalled(&self) -> Option<Nanos> {
        Some(self.stalled.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// The status with which the HTTP machinery refused what it read.
    pub(crate) fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Ordering::Acquire)).filter(|status| *status > 0)
    }

    /// The client is about to be told that it ends.
    pub(crate) fn ends(&self) {
        self.ends.store(self.is_http2(), Ordering::Release);
        self.ending.notify_waiters();
    }

    /// Completes once the client of an HTTP/2 connection is told that it ends.
    #[cfg(feature = "grpc")]
    pub(crate) async fn is_ending(&self) {
        // Made before the look, so that a word that comes in between is not missed.
        let notified = self.ending.notified();
        if !self.ends.load(Ordering::Acquire) {
            notified.await;
        }
    }

    /// The certificate of its client no longer counts: what it began to ask before is answered, and nothing else.
    pub(crate) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    /// Whether its client may ask for more.
    pub(crate) fn is_trusted(&self) -> bool {
        !self.distrusted.load(Ordering::Acquire)
    }

    pub(crate) fn is_http2(&self) -> bool {
        usize::from(self.preface.load(Ordering::Relaxed)) == PREFACE.len()
    }

    /// The socket, once nothing else uses it.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    fn saw(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // Frames of HTTP/2 between requests, such as pings, are no head.
        if self.is_http2() {
            self.saw_frames(bytes);
            return;
        }
        if matches!(self.waiting(), Some((Waiting::First | Waiting::Next, _))) {
            self.wait_for(Waiting::Head);
            self.in_first_line.store(true, Ordering::Relaxed);
        }
        // Most heads come whole, and the end of all lines is that of the first.
        let ends_line = || bytes.ends_with(b"\n") || bytes.contains(&b'\n');
        if self.in_first_line.load(Ordering::Relaxed) && ends_line() {
            self.in_first_line.store(false, Ordering::Relaxed);
        }
        let seen = self.preface.load(Ordering::Relaxed);
        if seen != OLD_HTTP {
            let now = more_of_preface(seen, bytes);
            self.preface.store(now, Ordering::Relaxed);
            if self.is_http2() {
                self.wait_for(Waiting::Next);
                self.saw_frames(&bytes[PREFACE.len() - usize::from(seen)..]);
            }
        }
    }

    fn saw_frames(&self, bytes: &[u8]) {
        let (earned, now) = (self.earned.swap(0, Ordering::Relaxed), clock::now());
        let saw = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).read(bytes, earned, now);
        let since = self.block_since.load(Ordering::Relaxed);
        if saw.begun || saw.open != (since > 0) {
            self.block_since.store(if saw.open { now.max(1) } else { 0 }, Ordering::Relaxed);
        }
        if saw.floods {
            self.floods.store(true, Ordering::Relaxed);
        }
    }

    /// Since when header fields of a request over HTTP/2 have been on their way.
    pub(crate) fn in_a_block(&self) -> Option<Nanos> {
        Some(self.block_since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// Whether another version of HTTP is spoken than the one that was agreed on: whoever stands in between and knows what was
    /// agreed on would read something else in it. What can be told over HTTP/1.1 is told at the end.
    fn breaks_agreement(&self) -> bool {
        match self.agreed {
            Some(Version::HTTP_2) => self.preface.load(Ordering::Relaxed) == OLD_HTTP,
            Some(_) if self.is_http2() => {
                self.refused.store(505, Ordering::Release);
                true
            }
            _ => false,
        }
    }

    /// The HTTP machinery answers what it cannot read with a bare status. The bytes are kept back, so that the
    /// connection's end can send a problem with a request id instead.
    fn keeps_back(&self, bytes: &[u8]) -> bool {
        if self.refused().is_some() {
            return true;
        }
        let bare = self.in_flight.load(Ordering::Acquire) == 0
            && !self.is_http2()
            && bytes.starts_with(b"HTTP/1.1 4")
            && bytes.ends_with(b"\r\n\r\n")
            && !contains(bytes, b"\r\nx-request-id: ");
        let status = if bare {
            std::str::from_utf8(&bytes[9..12]).ok().and_then(|status| status.parse().ok())
        } else {
            None
        };
        if let Some(status) = status {
            // Of a head that does not fit, the first line does not either when its end was never read.
            let uri = status == 431 && self.in_first_line.load(Ordering::Relaxed);
            self.refused.store(if uri { 414 } else { status }, Ordering::Release);
        }
        bare
    }

    fn sent(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = result
            && self.is_http2()
        {
            self.earned.fetch_add(*count as u64, Ordering::Relaxed);
        }
        self.wrote(result);
    }

    fn wrote<T>(&self, result: &Poll<io::Result<T>>) {
        match result {
            Poll::Pending if self.stalled.load(Ordering::Relaxed) == 0 => {
                self.stalled.store(clock::now(), Ordering::Relaxed);
            }
            Poll::Ready(_) if self.stalled.load(Ordering::Relaxed) > 0 => {
                self.stalled.store(0, Ordering::Relaxed);
                // Whoever still takes the last answer is not idle yet.
                if matches!(self.waiting(), Some((Waiting::Next, _))) {
                    self.wait_for(Waiting::Next);
                }
            }
            _ => {}
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The bytes of a [`Conn`] as hyper reads and writes them. Shutting it down does nothing: the connection's own
/// task ends the connection, after it has said what there is to say.
#[derive(Debug)]
pub(crate) struct Wire {
    conn: Arc<Conn>,
    farewell: Farewell,
}

impl Wire {
    pub(crate) fn new(conn: Arc<Conn>) -> Self {
        Self { conn, farewell: Farewell::default() }
    }

    /// Writes as much as the end of the connection allows.
    fn poll_write_last(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let may = self.farewell.may_write(cx, bytes);
        if may.is_pending() {
            // What was written before it is on its way.
            let _ = self.conn.socket.poll_flush(cx)?;
        }
        let may = ready!(may);
        let result = self.conn.socket.poll_write(cx, &bytes[..may]);
        self.conn.sent(&result);
        result
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let conn = &self.conn;
        let before = buf.filled().len();
        ready!(conn.socket.poll_read(cx, buf))?;
        conn.saw(&buf.filled()[before..]);
        if conn.floods.load(Ordering::Relaxed) {
            static WARNING: OnceAMinute = OnceAMinute::new();
            if WARNING.is_due(clock::now()) {
                tracing::warn!(client = %conn.shown, "a connection was ended: too many frames that are no part of a request");
            }
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a flood of frames")));
        }
        if conn.breaks_agreement() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "another version of HTTP was agreed on",
            )));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.conn.ends.load(Ordering::Acquire) {
            return self.poll_write_last(cx, buf);
        }
        let conn = &self.conn;
        if conn.keeps_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = conn.socket.poll_write(cx, buf);
        conn.sent(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.conn.ends.load(Ordering::Acquire)
            && let Some(first) = bufs.iter().find(|buf| !buf.is_empty())
        {
            return self.poll_write_last(cx, first);
        }
        let conn = &self.conn;
        if let [only] = bufs
            && conn.keeps_back(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let result = conn.socket.poll_write_pieces(cx, bufs);
        conn.sent(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.conn.socket.poll_flush(cx);
        // Under TLS what was written may be kept until here.
        self.conn.wrote(&result);
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
