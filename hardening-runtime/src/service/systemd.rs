//! What systemd is told over `NOTIFY_SOCKET` (`sd_notify(3)`): that set-up goes on, that the service is ready, that it is alive, that it
//! stops. Without that variable nothing is said.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::server::Server;
use super::shutdown::Stage;

/// How often set-up asks for more time, and for how much: systemd ends a service that asks for none within `TimeoutStartSec`.
const ASK_EVERY: Duration = Duration::from_secs(10);
const ASK_FOR: Duration = Duration::from_secs(30);
/// How often it is looked whether start-up checks have passed.
const LOOK: Duration = Duration::from_millis(50);

/// Whom to tell.
#[derive(Clone, Debug)]
pub(super) struct Systemd {
    socket: Arc<UnixDatagram>,
    to: SocketAddr,
    /// How often it must hear that the service is alive, if it watches.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Whom the environment names; what it names and cannot be reached is a warning.
    pub(super) fn of_environment() -> Option<Self> {
        let named = std::env::var_os("NOTIFY_SOCKET").filter(|named| !named.is_empty())?;
        let own = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let within = std::env::var("WATCHDOG_USEC").ok().filter(|_| own);
        let within = within.and_then(|micros| micros.parse().ok()).filter(|micros| *micros > 0);
        match Self::at(named.as_bytes(), within.map(Duration::from_micros)) {
            Ok(this) => Some(this),
            Err(error) => {
                tracing::warn!("systemd cannot be told anything: NOTIFY_SOCKET {}: {error}", named.display());
                None
            }
        }
    }

    fn at(named: &[u8], watchdog: Option<Duration>) -> io::Result<Self> {
        let to = match named.split_first() {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Some((b'@', name)) => {
                use std::os::linux::net::SocketAddrExt as _;
                SocketAddr::from_abstract_name(name)?
            }
            _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(named))?,
        };
        let socket = UnixDatagram::unbound()?;
        // Whoever does not read holds nobody up.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(socket), to, watchdog })
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send_to_addr(what.as_bytes(), &self.to) {
            tracing::debug!(%error, "systemd was not told");
        }
    }

    /// Asks for more time until the returned task is aborted.
    pub(super) fn starts(&self) -> JoinHandle<()> {
        let this = self.clone();
        let asks = format!("EXTEND_TIMEOUT_USEC={}\nSTATUS=starting", ASK_FOR.as_micros());
        // Set-up may hold the thread from now on.
        this.tell(&asks);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ASK_EVERY).await;
                this.tell(&asks);
            }
        })
    }

    /// Tells how the service fares, on its own runtime: one that hangs says nothing.
    pub(super) fn serves(self, server: Arc<Server>, shutdown: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut alive = self.watchdog.map(|within| {
                let mut alive = interval((within / 3).max(Duration::from_millis(1)));
                alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
                alive
            });
            let mut stages = server.stages();
            let (mut ready, mut stopping) = (false, false);
            let (mut looks, mut asks) = (interval(LOOK), Instant::now());
            loop {
                tokio::select! {
                    () = ticks(&mut alive) => self.tell("WATCHDOG=1"),
                    _ = stages.wait_for(|stage| *stage > Stage::Serving), if !stopping => {
                        stopping = true;
                        let longest = shutdown.as_micros();
                        self.tell(&format!("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={longest}"));
                    }
                    _ = looks.tick(), if !ready && !stopping => {
                        if server.health.started() {
                            ready = true;
                            self.tell("READY=1\nSTATUS=serving");
                        } else if asks <= Instant::now() {
                            asks = Instant::now() + ASK_EVERY;
                            let longest = ASK_FOR.as_micros();
                            self.tell(&format!("EXTEND_TIMEOUT_USEC={longest}\nSTATUS=start-up checks"));
                        }
                    }
                }
            }
        })
    }
}

async fn ticks(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_abstract_names_are_reached() {
        let path = std::env::temp_dir().join(format!("hardening-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let file = UnixDatagram::bind(&path).unwrap();
        let mut heard = vec![(path.as_os_str().as_bytes().to_vec(), file)];
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            let name = format!("hardening-notify-{}", std::process::id());
            let bound = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
            heard.push((format!("@{name}").into_bytes(), bound));
        }
        for (named, bound) in heard {
            Systemd::at(&named, None).unwrap().tell("READY=1");
            let mut said = [0; 32];
            bound.set_nonblocking(true).unwrap();
            let length = bound.recv(&mut said).unwrap();
            assert_eq!(&said[..length], b"READY=1");
        }
        let _ = std::fs::remove_file(&path);
        assert!(Systemd::at(b"/a\0b", None).is_err());
        // Nobody is there, and nobody minds.
        Systemd::at(path.as_os_str().as_bytes(), None).unwrap().tell("READY=1");
    }
}
