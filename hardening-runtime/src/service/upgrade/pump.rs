//! What passes between a client and the handler of its upgraded connection.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::frames::Frames;
use super::{Close, End, Protocol};
use crate::clock::{self, nanos};
use crate::service::connection::FIRST_WORD;
use crate::service::memory::Unfinished;
use crate::service::wire::Conn;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How long one that is asked to end may take.
pub(super) const PARTING: Duration = Duration::from_secs(5);
/// How long a handler may take once both sides of its WebSocket have closed.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// A handler that takes nothing for this long is busy with something else.
const AWAY: Duration = Duration::from_millis(100);
/// So many frames that bring no message further may come at once, and so many more in each second. A client that pings, or answers
/// pings, needs some in a minute.
const IDLE_AT_ONCE: u64 = 10_000;
const IDLE_PER_SECOND: u64 = 1_000;
/// What is read at once.
const PIECE: usize = 16 * 1024;

/// The times that an upgraded connection must keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long nothing may pass.
    pub(super) idle: Duration,
    /// How long it may last.
    pub(super) age: Duration,
    /// How long a client may take none of what is there for it.
    pub(super) write: Duration,
    /// How many bytes a message of its may have.
    pub(super) message: u64,
    /// How long a message of its may take to come.
    pub(super) coming: Duration,
}

/// When something last passed, which its connection learns too.
struct Moved<'a> {
    at: AtomicU64,
    conn: &'a Conn,
}

impl Moved<'_> {
    fn now(&self) {
        let now = clock::now();
        self.at.store(now, Ordering::Relaxed);
        self.conn.moved(now);
    }
}

/// Passes on what either side says until one of them has ended, or its time is over. `asked` completes when it must end.
pub(super) async fn run<C, H>(
    protocol: Protocol,
    client: C,
    handler: H,
    times: Times,
    conn: &Conn,
    unfinished: Unfinished,
    asked: impl Future<Output = End>,
) -> End
where
    C: AsyncRead + AsyncWrite,
    H: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_handler, to_handler) = tokio::io::split(handler);
    let moved = Moved { at: AtomicU64::new(clock::now()), conn };
    let (ask, is_asked) = watch::channel(None);
    let closed = Notify::new();
    let mut up = pin!(copy(protocol, from_client, to_handler, &moved, &closed, (times, unfinished)));
    let mut down = pin!(answer(protocol, from_handler, to_client, &moved, times.write, is_asked));
    let mut asked = pin!(asked);
    let old = Instant::now() + times.age;
    // Why it ends, and by when it must have ended.
    let (mut end, mut ends): (Option<End>, Option<Instant>) = (None, None);
    let (mut gone, mut answered) = (false, false);
    loop {
        let due = clock::instant(moved.at.load(Ordering::Relaxed).saturating_add(nanos(times.idle)));
        let why = tokio::select! {
            biased;
            over = &mut down => {
                let stalled = over.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
                return if stalled { End::Stalled } else { end.unwrap_or(End::Ended) };
            }
            over = &mut up, if !gone => {
                gone = true;
                let why = over.err().and_then(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => Some(End::Oversized),
                    io::ErrorKind::TimedOut => Some(End::Slow),
                    io::ErrorKind::QuotaExceeded => Some(End::Flooded),
                    io::ErrorKind::OutOfMemory => Some(End::Crowded),
                    _ => None,
                });
                if let (Some(why), None) = (why, end) {
                    (end, ends) = (Some(why), Some(Instant::now() + LAST_LOOK));
                    let _ = ask.send(why.reason());
                    continue;
                }
                // No WebSocket goes on in one direction.
                if protocol == Protocol::WebSocket && end.is_none() {
                    ends = Some(Instant::now() + PARTING);
                }
                continue;
            }
            // The client has answered our close.
            () = closed.notified(), if end.is_some() => {
                (answered, ends) = (true, Some(Instant::now() + LAST_LOOK));
                continue;
            }
            why = &mut asked, if end.is_none() => why,
            () = tokio::time::sleep_until(old), if end.is_none() => End::Old,
            () = clock::reached(due), if end.is_none() => {
                let moved = moved.at.load(Ordering::Relaxed);
                if clock::now() < moved.saturating_add(nanos(times.idle)) {
                    continue;
                }
                End::Idle
            }
            () = clock::reached(ends) => return match end {
                Some(End::Drained) if !answered => End::Cut,
                Some(end) => end,
                None => End::Ended,
            },
        };
        end = Some(why);
        let parting = if why == End::Displaced { FIRST_WORD } else { PARTING };
        ends = Some(Instant::now() + parting);
        // Its receiver lives as long as `down`.
        let _ = ask.send(why.reason());
    }
}

/// By when the message on its way must have come. Without it a client that stops one byte before the end of each message has as
/// many of them kept as there may be connections.
struct Coming {
    within: Duration,
    message: Option<u64>,
    due: Option<Instant>,
}

impl Coming {
    /// This message is on its way now.
    fn follow(&mut self, message: Option<u64>) {
        if message != self.message {
            (self.message, self.due) = (message, message.map(|_| Instant::now() + self.within));
        }
    }

    /// Waits for the client, but not for longer than its message may take.
    async fn waits<T>(&self, read: impl Future<Output = T>) -> io::Result<T> {
        match self.due {
            None => Ok(read.await),
            Some(due) if due <= Instant::now() => Err(io::ErrorKind::TimedOut.into()),
            Some(due) => Ok(tokio::time::timeout_at(due, read).await?),
        }
    }

    /// Waits for the handler. The time in which it reads nothing is no fault of the client; the time that it takes to read is, or
    /// whoever sends as fast as it reads would have no time to keep.
    async fn spares<T>(&mut self, write: impl Future<Output = T>) -> T {
        let Some(due) = &mut self.due else { return write.await };
        let began = Instant::now();
        let wrote = write.await;
        let waited = began.elapsed();
        if waited >= AWAY {
            *due += waited;
        }
        wrote
    }
}

/// How many frames that bring no message further have come, less those that time allows.
struct Idle {
    allowed: u64,
    since: Instant,
}

impl Idle {
    /// So many have come so far. Says whether there are too many.
    fn floods(&mut self, came: u64, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.since).as_millis() as u64 * IDLE_PER_SECOND / 1000;
        if more > 0 {
            (self.allowed, self.since) = ((self.allowed + more).min(came + IDLE_AT_ONCE), now);
        }
        came > self.allowed
    }
}

/// What the client says; `closed` hears when it has closed its WebSocket.
async fn copy(
    protocol: Protocol,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Moved<'_>,
    closed: &Notify,
    (times, mut unfinished): (Times, Unfinished),
) -> io::Result<()> {
    let (mut piece, mut frames) = (vec![0; PIECE], Frames::default());
    let mut coming = Coming { within: times.coming, message: None, due: None };
    let mut idle = Idle { allowed: IDLE_AT_ONCE, since: Instant::now() };
    loop {
        let read = match coming.waits(reads(&mut from, &mut piece, &mut unfinished, frames.came())).await? {
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Err(error),
            // A client that is gone has said all there is.
            read => read.unwrap_or(0),
        };
        if read == 0 {
            return to.shutdown().await;
        }
        moved.now();
        if protocol == Protocol::WebSocket {
            let mut passed = 0;
            while passed < read {
                passed += frames.pass_one(&piece[passed..read]);
                if frames.message() > times.message {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
            }
            if idle.floods(frames.idle(), Instant::now()) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            coming.follow(frames.on_its_way());
        }
        coming.spares(to.write_all(&piece[..read])).await?;
        if frames.has_closed() {
            closed.notify_one();
        }
    }
}

/// Reads more of a message of which so much has `come`, unless others need the memory of it.
async fn reads(
    from: &mut (impl AsyncRead + Unpin),
    piece: &mut [u8],
    unfinished: &mut Unfinished,
    come: u64,
) -> io::Result<usize> {
    let mut read = pin!(from.read(piece));
    poll_fn(|cx| {
        if unfinished.is_too_much(come, cx.waker()) {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        read.as_mut().poll(cx)
    })
    .await
}

/// What the handler says; once it `is_asked` to end, a WebSocket closes between two frames, and says no more.
async fn answer(
    protocol: Protocol,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Moved<'_>,
    write: Duration,
    mut is_asked: watch::Receiver<Option<Close>>,
) -> io::Result<()> {
    let (mut piece, mut frames) = (vec![0; PIECE], Frames::default());
    let mut closed = false;
    loop {
        let reason =
            if protocol == Protocol::WebSocket && !closed { *is_asked.borrow_and_update() } else { None };
        if let Some(reason) = reason
            && (frames.is_between() || frames.has_closed())
        {
            closed = true;
            if !frames.has_closed() {
                written(&mut to, &close(reason), write).await?;
            }
            continue;
        }
        let read = tokio::select! {
            biased;
            read = from.read(&mut piece) => read?,
            Ok(()) = is_asked.changed(), if !closed => continue,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        moved.now();
        let mut said = &piece[..read];
        if closed && !frames.has_closed() {
            // Nothing follows our close.
            continue;
        }
        if protocol == Protocol::WebSocket {
            if reason.is_some() || is_asked.borrow().is_some() {
                said = &said[..frames.pass_one(said)];
            } else {
                frames.pass(said);
            }
        }
        written(&mut to, said, write).await?;
    }
}

/// Writes as long as the client takes some of it.
async fn written(to: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8], within: Duration) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    while !bytes.is_empty() {
        let wrote = tokio::time::timeout(within, to.write(bytes)).await.map_err(late)??;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[wrote..];
    }
    tokio::time::timeout(within, to.flush()).await.map_err(late)?
}

/// A frame that closes, by its code and why.
fn close((code, reason): Close) -> Vec<u8> {
    let mut frame = vec![0x88, (2 + reason.len()) as u8];
    frame.extend(code.to_be_bytes());
    frame.extend(reason.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_bring_no_message_further_may_come_at_once_or_in_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut idle = Idle { allowed: IDLE_AT_ONCE, since: start };
        assert!(!idle.floods(IDLE_AT_ONCE, start));
        assert!(idle.floods(IDLE_AT_ONCE + 1, start));
        assert!(!idle.floods(IDLE_AT_ONCE + 1, at(1)));
        assert!(!idle.floods(2 * IDLE_AT_ONCE, at(10_000)));
        // What was not used is not kept for ever.
        assert!(!idle.floods(2 * IDLE_AT_ONCE, at(1_000_000)));
        assert!(idle.floods(3 * IDLE_AT_ONCE + 1, at(1_000_000)));
        let mut steady = Idle { allowed: IDLE_AT_ONCE, since: start };
        assert!((0..100_000).all(|at_millis| !steady.floods(at_millis, at(at_millis))));
    }
}
