//! A balancer of connections that learns late which instances are ready.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hardening_service_tests::service::until;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::process::is_ready;

/// One instance as the balancer sees it.
struct Known {
    addr: SocketAddr,
    ready: AtomicBool,
}

/// Spreads connections over instances; ends when dropped.
pub(crate) struct Balancer {
    pub(crate) addr: SocketAddr,
    known: Vec<Arc<Known>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// Balances over `instances`, each with the address that says whether it is ready; acts on that `lag` later.
    pub(crate) async fn start(instances: &[(SocketAddr, SocketAddr)], lag: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        let known: Vec<Arc<Known>> = instances
            .iter()
            .map(|(addr, admin)| {
                let known = Arc::new(Known { addr: *addr, ready: AtomicBool::new(true) });
                tasks.spawn(watch(Arc::clone(&known), *admin, lag));
                known
            })
            .collect();
        tasks.spawn(balance(listener, known.clone()));
        Self { addr, known, _tasks: tasks }
    }

    /// Waits until it takes every instance for ready.
    pub(crate) async fn all_ready(&self) {
        let ready = || async { self.known.iter().all(|known| known.ready.load(Ordering::Relaxed)) };
        until("the balancer takes every instance for ready", ready).await;
    }
}

async fn watch(known: Arc<Known>, admin: SocketAddr, lag: Duration) {
    let mut seen = VecDeque::new();
    loop {
        seen.push_back((Instant::now(), is_ready(admin).await));
        while let Some((_, ready)) = seen.pop_front_if(|(when, _)| when.elapsed() >= lag) {
            known.ready.store(ready, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn balance(listener: TcpListener, known: Vec<Arc<Known>>) {
    let next = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let ready: Vec<_> = known.iter().filter(|known| known.ready.load(Ordering::Relaxed)).collect();
        // With nobody ready the connection is dropped, and its client counts a failure.
        let Some(chosen) = ready.get(next.fetch_add(1, Ordering::Relaxed) % ready.len().max(1)) else {
            continue;
        };
        let chosen = chosen.addr;
        connections.spawn(async move {
            if let Ok(mut instance) = TcpStream::connect(chosen).await {
                let _ = (client.set_nodelay(true), instance.set_nodelay(true));
                // Either end may cut: the client judges what that did to it.
                let _ = copy_bidirectional(&mut client, &mut instance).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
