//! Panics: caught where they have an answer of their own, told in one line, and counted by where they happened.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::telemetry::text::Family;
use crate::telemetry::{log, redact};

/// Where a panic happened: the nearest part of the service around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// While a request was answered, its calls included.
    Handler,
    /// A health check.
    Check,
    /// A background task.
    Task,
    /// A shutdown hook.
    Hook,
    /// Set-up code.
    SetUp,
    /// What [`crate::context::spawn`] spawned.
    Spawned,
    /// Anywhere else.
    Elsewhere,
}

impl Place {
    const ALL: [Self; 7] =
        [Self::Handler, Self::Check, Self::Task, Self::Hook, Self::SetUp, Self::Spawned, Self::Elsewhere];

    const fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Check => "check",
            Self::Task => "task",
            Self::Hook => "hook",
            Self::SetUp => "set_up",
            Self::Spawned => "spawned",
            Self::Elsewhere => "elsewhere",
        }
    }
}

static COUNTS: [AtomicU64; Place::ALL.len()] = [const { AtomicU64::new(0) }; Place::ALL.len()];
static TOLD: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HERE: Cell<Place> = const { Cell::new(Place::Elsewhere) };
}

/// Says where the thread is until it is dropped.
struct Entered(Place);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

/// Runs `future` as what happens at `place`.
pub(crate) async fn at<F: Future>(place: Place, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        let _entered = Entered(HERE.replace(place));
        future.as_mut().poll(cx)
    })
    .await
}

/// Runs `future` at `place`; a panic in it ends it with the panic's message. Nothing of it is polled afterwards.
pub(crate) fn caught<F: Future>(place: Place, future: F) -> Caught<F> {
    Caught { place, future }
}

pin_project! {
    /// A future whose panic is an answer.
    pub(crate) struct Caught<F> {
        place: Place,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = Entered(HERE.replace(*this.place));
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => Poll::Ready(Err(message(&*payload))),
        }
    }
}

pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    redact::text(text.unwrap_or(NO_TEXT)).into_owned()
}

const NO_TEXT: &str = "a value that is no text";

/// From now on every panic of the process is counted. What told it before still does, until [`tell`].
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            COUNTS[HERE.get() as usize].fetch_add(1, Ordering::Relaxed);
            if are_told() { told(panic) } else { before(panic) }
        }));
    });
}

/// From now on every panic is a line of the log.
pub(crate) fn tell() {
    install();
    TOLD.store(true, Ordering::Release);
}

/// Whether every panic is a line of the log already.
pub(crate) fn are_told() -> bool {
    TOLD.load(Ordering::Acquire)
}

fn told(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic.payload_as_str().unwrap_or(NO_TEXT);
    let thread = std::thread::current();
    // A filter may leave our lines out; a panic is told all the same.
    if !tracing::enabled!(tracing::Level::ERROR) {
        let name = thread.name().unwrap_or("unnamed");
        log::complain(&format!("thread `{name}` panicked at {place}: {}", redact::text(said)));
        return last_words();
    }
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(place, panic = said, r#where = HERE.get().name(), backtrace, "a panic");
    last_words();
}

/// Where a panic is the end of the process, nobody else waits until it is told.
fn last_words() {
    if cfg!(panic = "abort") {
        log::flush(log::LAST_WORDS);
    }
}

/// `panics_total` by where they happened.
pub(crate) fn render(out: &mut String) {
    let mut family = Family::counter(out, "panics_total", "Panics by the part of the service around them.");
    for place in Place::ALL {
        family.sample(&[("where", place.name())], COUNTS[place as usize].load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_its_message() {
        let at = Place::Hook;
        assert_eq!(caught(at, async { 7 }).await, Ok(7));
        assert_eq!(caught(at, async { panic!("plain") }).await, Err::<(), _>("plain".to_owned()));
        assert_eq!(caught(at, async { panic!("with {}", 1) }).await, Err::<(), _>("with 1".to_owned()));
        let secret = caught(at, async { panic!("no connection with password={}", 1) }).await;
        assert_eq!(secret, Err::<(), _>("no connection with password=[redacted]".to_owned()));
    }

    #[tokio::test]
    async fn the_nearest_part_around_a_panic_counts_and_no_longer_than_it_runs() {
        let inner = async { assert_eq!(HERE.get(), Place::Task) };
        caught(Place::Handler, async {
            caught(Place::Task, inner).await.unwrap();
            assert_eq!(HERE.get(), Place::Handler);
            let _ = caught(Place::Check, async { panic!("left behind?") }).await;
            assert_eq!(HERE.get(), Place::Handler);
        })
        .await
        .unwrap();
        assert_eq!(HERE.get(), Place::Elsewhere);
    }
}
