//! The process' signals, on a thread of their own: a runtime whose threads are all held would notice none.

use std::io;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::shutdown::Event;
use crate::telemetry::{log, redact};

/// What is known of a service that serves.
struct Guarded {
    /// The longest that its shutdown may take.
    limit: Duration,
    still_running: Box<dyn Fn() -> Vec<String> + Send>,
}

/// The signals of a process, from its first moments on.
pub(super) struct Signals {
    events: mpsc::UnboundedReceiver<Event>,
    /// What is asked for without a signal, as if one came.
    asked: mpsc::UnboundedSender<Event>,
    guarded: Arc<Mutex<Option<Guarded>>>,
}

/// Begins to listen. Until [`Signals::guard`] nothing is served, so a signal ends the process at once.
///
/// # Errors
/// When the thread or the handlers cannot be set up.
pub(super) fn listen() -> io::Result<Signals> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, received) = mpsc::unbounded_channel();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let (ready, is_ready) = std_mpsc::channel();
    let guarded = Arc::new(Mutex::new(None::<Guarded>));
    let guards = Arc::clone(&guarded);
    // The thread has no other before the service serves.
    let log = tracing::dispatcher::get_default(Clone::clone);
    let run = async move {
        let mut source = match Source::new() {
            Ok(source) => source,
            // The receiver waits for this word.
            Err(error) => return drop(ready.send(Err(error))),
        };
        drop(ready.send(Ok(())));
        // The sender may be gone without a word.
        let first = tokio::select! {
            event = source.next() => event,
            Some(event) = asks.recv() => event,
        };
        let Some(guarded) = guards.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            tracing::dispatcher::with_default(&log, || tracing::info!("stopped before it served"));
            log::flush(log::LAST_WORDS);
            std::process::exit(0);
        };
        // Nobody listens any more once the service has ended.
        let _ = events.send(first);
        let limit = Instant::now() + guarded.limit;
        loop {
            tokio::select! {
                event = source.next() => drop(events.send(event)),
                Some(event) = asks.recv() => drop(events.send(event)),
                () = tokio::time::sleep_until(limit) => {
                    let running = (guarded.still_running)().join(", ");
                    let running = redact::text(&running);
                    log::complain(&format!("error: the shutdown's time is over; still running: {running}"));
                    // Both may be pipes that nobody reads, which must not hold the end either.
                    log::flush(log::LAST_WORDS);
                    std::process::exit(1);
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(run))?;
    is_ready.recv().map_err(io::Error::other)??;
    Ok(Signals { events: received, asked, guarded })
}

impl Signals {
    /// Where to ask for what a signal asks for; its watchdog counts as well.
    pub(super) fn ask(&self) -> mpsc::UnboundedSender<Event> {
        self.asked.clone()
    }

    /// From now on the service serves: what signals ask for, each time one comes. From the first one on a watchdog counts:
    /// after `limit` it names what is `still_running` and ends the process by force, whatever the service is stuck in.
    pub(super) fn guard(
        self,
        limit: Duration,
        still_running: impl Fn() -> Vec<String> + Send + 'static,
    ) -> mpsc::UnboundedReceiver<Event> {
        let guarded = Guarded { limit, still_running: Box::new(still_running) };
        *self.guarded.lock().unwrap_or_else(PoisonError::into_inner) = Some(guarded);
        self.events
    }
}

#[cfg(unix)]
struct Source {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// Only so that it ends nobody who does not reload yet.
    _hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Terminate,
            _ = self.interrupt.recv() => Event::Interrupt,
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    #[allow(clippy::unnecessary_wraps)] // the other platforms' signature
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Event {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Event::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
