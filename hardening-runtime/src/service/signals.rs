//! The process' signals, on a thread of their own: a runtime whose threads are all held would notice none.

use std::io;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::shutdown::Event;

/// What a signal asks for, each time one comes. From the first one on a watchdog counts: after `limit` it names
/// what is `still_running` and ends the process by force, whatever the service is stuck in.
///
/// # Errors
/// When the thread or the handlers cannot be set up.
pub(super) fn listen(
    limit: Duration,
    still_running: impl Fn() -> Vec<String> + Send + 'static,
) -> io::Result<mpsc::UnboundedReceiver<Event>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, received) = mpsc::unbounded_channel();
    let (ready, is_ready) = std_mpsc::channel();
    let run = async move {
        let mut source = match Source::new() {
            Ok(source) => source,
            // The receiver waits for this word.
            Err(error) => return drop(ready.send(Err(error))),
        };
        drop(ready.send(Ok(())));
        let first = source.next().await;
        // Nobody listens any more once the service has ended.
        let _ = events.send(first);
        let limit = Instant::now() + limit;
        loop {
            tokio::select! {
                event = source.next() => drop(events.send(event)),
                () = tokio::time::sleep_until(limit) => {
                    eprintln!("error: the shutdown's time is over; still running: {}", still_running().join(", "));
                    std::process::exit(1);
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(run))?;
    is_ready.recv().map_err(io::Error::other)??;
    Ok(received)
}

#[cfg(unix)]
struct Source {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
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
