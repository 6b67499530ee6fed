//! The streams of HTTP/2, each a task of its own. One whose client takes nothing of its answer is reset, while the others of its
//! connection go on: the bytes on the socket say nothing about a single stream.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::clock::{NEVER, Nanos, nanos};

thread_local! {
    /// What the answer whose stream is polled waits for: 0 where it was not asked, [`NEVER`] where it waits for its handler, and
    /// else how long its client may take nothing of it.
    static WAITS: Cell<Nanos> = const { Cell::new(0) };
    /// What may ask the stream that is polled to end, once its answer is one that others may need the memory of.
    static GIVES_UP: Cell<Option<Arc<GiveUp>>> = const { Cell::new(None) };
}

/// Asks a stream, or what reads a body, to end.
#[derive(Debug)]
pub(crate) struct GiveUp {
    asked: AtomicBool,
    stream: Mutex<Waker>,
}

impl GiveUp {
    /// The stream is the task that this wakes.
    pub(super) fn new(stream: &Waker) -> Arc<Self> {
        Arc::new(Self { asked: AtomicBool::new(false), stream: Mutex::new(stream.clone()) })
    }

    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        let stream = self.stream().clone();
        stream.wake();
    }

    /// The task has become this one.
    pub(super) fn wakes(&self, task: &Waker) {
        self.stream().clone_from(task);
    }

    fn stream(&self) -> MutexGuard<'_, Waker> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

/// The stream that is polled, in the task that this wakes, ends when it is asked to.
pub(super) fn may_be_given_up(stream: &Waker) -> Arc<GiveUp> {
    let gives_up = GiveUp::new(stream);
    GIVES_UP.set(Some(Arc::clone(&gives_up)));
    gives_up
}

/// The answer that is polled has handed over a part, and its client must take some of it within this time.
pub(super) fn waits_for_its_client(longest: Duration) {
    WAITS.set(nanos(longest).clamp(1, NEVER - 1));
}

/// The answer that is polled is asked for more.
pub(super) fn waits_for_its_handler() {
    WAITS.set(NEVER);
}

/// Runs the tasks that hyper makes of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Stream { inner: Some(stream), gives_up: None, due: None, timer: None });
    }
}

pin_project! {
    /// One stream, which hyper resets once it is dropped.
    struct Stream<F> {
        #[pin]
        inner: Option<F>,
        gives_up: Option<Arc<GiveUp>>,
        // By when its client must have taken some of what is there for it.
        due: Option<Instant>,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(stream) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        WAITS.set(0);
        GIVES_UP.set(None);
        if stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(newer) = GIVES_UP.take() {
            *this.gives_up = Some(newer);
        }
        if this.gives_up.as_ref().is_some_and(|gives_up| gives_up.is_asked()) {
            tracing::debug!("a stream was reset: others need the memory of its answer");
            this.inner.set(None);
            return Poll::Ready(());
        }
        match WAITS.get() {
            // Nothing has changed.
            0 => {}
            NEVER => *this.due = None,
            longest => *this.due = Instant::now().checked_add(Duration::from_nanos(longest)),
        }
        let Some(due) = *this.due else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        if timer.as_mut().poll(cx).is_ready() {
            tracing::debug!("a stream was reset: its client took nothing of the answer");
            this.inner.set(None);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether a stream that does this at first and after each of these pauses is still there in the end.
    async fn lasts(pauses: &'static [u64], does: impl Fn(usize) + Send + 'static) -> bool {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        Streams.execute(async move {
            does(0);
            for (count, pause) in pauses.iter().enumerate() {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
                does(count + 1);
            }
            std::future::pending::<()>().await;
            drop(held);
        });
        tokio::time::sleep(Duration::from_mins(1)).await;
        Arc::strong_count(&alive) > 1
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_once_its_client_takes_nothing_for_too_long() {
        assert!(!lasts(&[], |_| waits_for_its_client(SECOND)).await);
        assert!(lasts(&[], |_| waits_for_its_client(100 * SECOND)).await, "it has more time");
        assert!(lasts(&[], |_| {}).await, "its answer has no head yet");
        assert!(lasts(&[], |_| waits_for_its_handler()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_some_has_the_whole_time_again() {
        let each = |polls| if polls < 5 { waits_for_its_client(SECOND) } else { waits_for_its_handler() };
        assert!(lasts(&[900, 900, 900, 900, 900, 900], each).await);
        assert!(!lasts(&[900, 1100, 900, 900, 900, 900], each).await);
        let once = |polls| {
            if polls == 0 {
                waits_for_its_client(SECOND);
            }
        };
        assert!(!lasts(&[100, 100, 100], once).await, "a word that says nothing gives no time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_it_is_asked_to() {
        let (alive, asks) = (Arc::new(()), Arc::new(std::sync::OnceLock::new()));
        let (held, given) = (Arc::clone(&alive), Arc::clone(&asks));
        Streams.execute(async move {
            let gives_up = std::future::poll_fn(|cx| Poll::Ready(may_be_given_up(cx.waker()))).await;
            let _ = given.set(gives_up);
            std::future::pending::<()>().await;
            drop(held);
        });
        // Another stream is not meant.
        assert!(lasts(&[], |_| {}).await);
        assert_eq!(Arc::strong_count(&alive), 2);
        asks.get().expect("the stream was polled").ask();
        tokio::time::sleep(SECOND).await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_end_is_one() {
        assert!(lasts(&[], |_| waits_for_its_client(Duration::MAX)).await);
        assert!(!lasts(&[], |_| waits_for_its_client(Duration::ZERO)).await);
    }
}
