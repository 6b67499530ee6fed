//! One connection as its listener knows it, and how many there are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::places::Idle;
use super::server::Surface;
use super::wire::{Conn, Waiting};
use crate::clock::{self, Nanos};
use crate::telemetry::text::Family;

/// One connection, from its acceptance on.
#[derive(Debug)]
pub(crate) struct Slot {
    since: Nanos,
    /// Set once hands are shaken.
    conn: OnceLock<Arc<Conn>>,
    gives_way: Notify,
    /// Whether it ends without another word.
    cut: AtomicBool,
}

impl Slot {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: clock::now(),
            conn: OnceLock::new(),
            gives_way: Notify::new(),
            cut: AtomicBool::new(false),
        })
    }

    /// It speaks from now on.
    pub(crate) fn speaks(self: &Arc<Self>, conn: &Arc<Conn>) {
        conn.is_in(Arc::downgrade(self));
        let _ = self.conn.set(Arc::clone(conn));
    }

    /// What it waits for and since when; `None` while it answers.
    pub(crate) fn idle(&self) -> Idle {
        match self.conn.get() {
            Some(conn) => conn.idle(),
            None => Some((Waiting::First, self.since)),
        }
    }

    /// Asks it to end, if it answers nothing.
    pub(crate) fn displace(&self) {
        self.gives_way.notify_one();
    }

    /// The same, and nothing that it answers is waited for.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.displace();
    }

    /// Whether [`Slot::cut`] was called.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Completes when it is asked to end.
    pub(crate) async fn displaced(&self) {
        self.gives_way.notified().await;
    }
}

/// The connections of both listeners, in numbers.
#[derive(Debug, Default)]
pub(crate) struct ConnectionStats([OfListener; 2]);

/// The connections of one listener.
#[derive(Debug, Default)]
pub(crate) struct OfListener {
    /// Open now.
    pub(crate) open: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) displaced: AtomicU64,
    /// Ended since they did not begin as `http.proxy_protocol` asks.
    pub(crate) not_proxied: AtomicU64,
}

impl ConnectionStats {
    pub(crate) fn of(&self, surface: Surface) -> &OfListener {
        &self.0[surface as usize]
    }

    /// Writes them.
    pub(crate) fn render(&self, out: &mut String) {
        let listeners = [Surface::Public, Surface::Admin].map(|surface| (surface, self.of(surface)));
        let mut family = Family::gauge(out, "http_open_connections", "Connections that are open.");
        for (listener, stats) in listeners {
            family.sample(&[("listener", listener.name())], stats.open.load(Ordering::Relaxed));
        }
        let told = "Connections by what became of them: accepted, refused for want of a place, displaced while idle, \
                    and ended without a header of the PROXY protocol where one is required.";
        let mut family = Family::counter(out, "http_connections_total", told);
        for (listener, stats) in listeners {
            let results = [
                ("accepted", &stats.accepted),
                ("refused", &stats.refused),
                ("displaced", &stats.displaced),
                ("not_proxied", &stats.not_proxied),
            ];
            // The admin listener speaks to no proxy.
            let applies = |(result, _): &(&str, _)| listener == Surface::Public || *result != "not_proxied";
            for (result, count) in results.into_iter().filter(applies) {
                family.sample(
                    &[("listener", listener.name()), ("result", result)],
                    count.load(Ordering::Relaxed),
                );
            }
        }
    }
}
