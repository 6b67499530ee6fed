//! A service that runs, held by whoever started it.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::assembled::Assembled;
use super::drain;
use super::shutdown::Event;

/// A running service: what [`super::Service::start`] answers. Dropping it ends the service at once.
#[derive(Debug)]
pub struct Running {
    /// Where it serves; `0.0.0.0:0` when that is a Unix socket.
    pub addr: SocketAddr,
    /// Where its metrics and health are; `0.0.0.0:0` when that is a Unix socket.
    pub admin_addr: SocketAddr,
    events: mpsc::UnboundedSender<Event>,
    task: JoinHandle<Report>,
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was still running when its time was over.
    pub still_running: Vec<String>,
    /// What ended with an error.
    pub failed: Vec<String>,
    /// Requests that were cut at the end of the drain while they waited for their clients alone, by their route: to take the answer,
    /// or to send more of the body. Any client can bring that about, so that they make no end unclean.
    pub awaiting_clients: Vec<String>,
}

impl Report {
    /// 0 when everything ended in time and well, else 1.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Whether everything ended in time and well.
    pub fn is_clean(&self) -> bool {
        self.still_running.is_empty() && self.failed.is_empty()
    }
}

impl Running {
    pub(super) fn new(assembled: Assembled) -> Result<Self, super::StartError> {
        let unbound =
            |error: std::io::Error| super::StartError::one(format!("a listener has no address: {error}"));
        let (addr, admin_addr) = assembled.addresses().map_err(unbound)?;
        let (events, received) = mpsc::unbounded_channel();
        assembled.server.console.drains_by(events.clone());
        let task = tokio::spawn(drain::serve(assembled, received, false));
        Ok(Self { addr: addr.port(), admin_addr: admin_addr.port(), events, task })
    }

    /// Begins the shutdown, or moves one that has begun on to its next stage, as SIGTERM does.
    pub fn terminate(&self) {
        // A service that has ended already needs no word.
        let _ = self.events.send(Event::Terminate);
    }

    /// Shuts down as after SIGTERM and waits for the end.
    pub async fn shutdown(mut self) -> Report {
        self.terminate();
        self.ended().await
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> Report {
        match (&mut self.task).await {
            Ok(report) => report,
            Err(error) => Report { failed: vec![format!("the service: {error}")], ..Report::default() },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
