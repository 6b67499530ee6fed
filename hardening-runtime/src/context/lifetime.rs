//! What the service that a request belongs to tells those who work for it, and what it waits for when it stops.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Request;

/// A service of this process. Requests hold its number alone, so that they cost nothing more.
#[derive(Debug)]
pub(crate) struct Lifetime(u32);

/// One service.
#[derive(Debug, Default)]
struct Service {
    drains: bool,
    /// What was spawned and has not ended, by the route of the request that did it.
    spawned: BTreeMap<Arc<str>, u64>,
}

#[derive(Debug, Default)]
struct Services {
    last: u32,
    all: BTreeMap<u32, Service>,
}

static SERVICES: Mutex<Services> = Mutex::new(Services { last: 0, all: BTreeMap::new() });
static CHANGES: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

fn services() -> MutexGuard<'static, Services> {
    // Whatever is done under the lock is whole at every step.
    SERVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The service of this process, where there is one alone.
fn the_only_one() -> Option<u32> {
    let services = services();
    services.all.keys().next().copied().filter(|_| services.all.len() == 1)
}

impl Lifetime {
    /// One more service begins.
    pub(crate) fn begin() -> Self {
        let mut services = services();
        services.last += 1;
        let number = services.last;
        services.all.insert(number, Service::default());
        Self(number)
    }

    /// That of the server that answers probes while set-up runs: it is in no list, so `draining()` never waits for it.
    pub(crate) const fn of_a_substitute() -> Self {
        Self(0)
    }

    /// What its requests know it by.
    pub(crate) const fn number(&self) -> u32 {
        self.0
    }

    /// It is about to stop.
    pub(crate) fn drain(&self) {
        if let Some(service) = services().all.get_mut(&self.0) {
            service.drains = true;
        }
        CHANGES.send_replace(());
    }

    /// What its requests have spawned and has not ended, by their route.
    pub(crate) fn spawned(&self) -> Vec<(Arc<str>, u64)> {
        let services = services();
        let spawned = services.all.get(&self.0).map(|service| &service.spawned);
        spawned.into_iter().flatten().map(|(route, count)| (Arc::clone(route), *count)).collect()
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        services().all.remove(&self.0);
        CHANGES.send_replace(());
    }
}

/// Completes once the service that the current request belongs to is about to stop: when it was told to, before it stops to
/// accept requests. For handlers that would go on for ever otherwise: event streams, sockets, requests that wait for news.
///
/// The request is that of the task in which this is called, whoever waits for it then: call it in the handler, and move what it
/// gives into the stream or the task. Called outside of requests, it completes once any service of this process that runs now
/// is about to stop.
///
/// ```
/// # async fn next_event() -> String { String::new() }
/// async fn events() {
///     let mut draining = std::pin::pin!(hardening_runtime::context::draining());
///     loop {
///         tokio::select! {
///             event = next_event() => drop(event),
///             () = &mut draining => return,
///         }
///     }
/// }
/// ```
pub fn draining() -> impl Future<Output = ()> + Send + Sync + 'static {
    let of_request = super::current().map(|request| request.service).filter(|service| *service > 0);
    let whom: Vec<u32> = match of_request {
        Some(service) => vec![service],
        None => services().all.keys().copied().collect(),
    };
    // Before the first look, so that nothing is missed in between.
    let mut changes = CHANGES.subscribe();
    async move {
        let stops = || {
            let services = services();
            whom.iter().any(|service| services.all.get(service).is_none_or(|service| service.drains))
        };
        while !stops() {
            // The sender lives as long as the process.
            let _ = changes.changed().await;
        }
    }
}

/// Something that was spawned, until it is dropped.
#[derive(Debug)]
pub(super) struct Spawned(Option<(u32, Arc<str>)>);

impl Spawned {
    /// By a request, or by nobody's: then it is the only service's, if there is one alone.
    pub(super) fn by(request: Option<&Request>) -> Self {
        let route = request.and_then(|request| request.matched.get());
        let service = request.map_or_else(the_only_one, |request| Some(request.service));
        let service = service.filter(|service| *service > 0);
        let of = service.map(|service| (service, route.map_or_else(|| Arc::from("no route"), Arc::clone)));
        if let Some((service, route)) = &of
            && let Some(service) = services().all.get_mut(service)
        {
            *service.spawned.entry(Arc::clone(route)).or_default() += 1;
        }
        Self(of)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let Some((service, route)) = &self.0 else { return };
        let mut services = services();
        if let Some(service) = services.all.get_mut(service)
            && let Some(count) = service.spawned.get_mut(route)
        {
            *count -= 1;
            if *count == 0 {
                service.spawned.remove(route);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::context::scope;

    /// What a request of this service would wait for.
    async fn of(lifetime: &Lifetime) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut draining = None;
        scope(request(lifetime), None, async { draining = Some(super::draining()) }).await;
        Box::pin(draining.expect("made"))
    }

    fn request(lifetime: &Lifetime) -> Arc<Request> {
        Arc::new(Request { service: lifetime.number(), ..Request::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_hears_of_its_own_service_wherever_it_waits() {
        let (one, other) = (Lifetime::begin(), Lifetime::begin());
        let waits = tokio::spawn(of(&one).await);
        other.drain();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waits.is_finished());
        one.drain();
        waits.await.expect("it completes");
        // Who asks later hears of it at once, and so does who asks of one that is gone.
        scope(request(&one), None, async { draining().await }).await;
        let of_one = of(&one).await;
        drop(one);
        of_one.await;
    }

    #[tokio::test]
    async fn what_is_spawned_is_counted_until_it_ends() {
        let lifetime = Lifetime::begin();
        let spawn =
            || scope(request(&lifetime), None, async { Spawned::by(crate::context::current().as_deref()) });
        let (one, two) = (spawn().await, spawn().await);
        assert_eq!(lifetime.spawned(), [(Arc::from("no route"), 2)]);
        drop((one, two, Spawned::by(None)));
        assert_eq!(lifetime.spawned(), []);
    }
}
