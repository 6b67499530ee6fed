//! What surrounds a call: the request it belongs to and the deadline it must keep.
//!
//! The deadline is set only while the future that it bounds is polled, so a spawned task does not inherit it.

mod hurry;
#[cfg(feature = "service")]
mod lifetime;
mod outgoing;
pub(crate) mod permits;
pub(crate) mod trace;
mod upload;
pub(crate) mod waits;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::Instant;

pub use hurry::Hurry;
#[cfg(feature = "service")]
pub(crate) use lifetime::Lifetime;
#[cfg(feature = "service")]
pub use lifetime::draining;
#[cfg(feature = "tower")]
pub(crate) use outgoing::is_longer;
#[cfg(feature = "tower")]
pub use outgoing::outgoing_headers;
#[cfg(feature = "tower")]
pub(crate) use outgoing::told;
pub use outgoing::{Outgoing, outgoing};
pub use trace::Trace;
pub use upload::Upload;

use crate::clock::{self, NEVER, Nanos};
use crate::policy::idempotency::{Digest, Presented};

/// The HTTP request that the current task answers.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The request id, as accepted or made.
    pub id: String,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// The client's address, as far as trusted proxies tell it.
    pub client_ip: Option<IpAddr>,
    /// The pattern of the route that it matched; see [`Request::route`].
    pub matched: OnceLock<Arc<str>>,
    /// Who is calling.
    pub principal: Option<Principal>,
    /// On whose behalf.
    pub tenant: Option<String>,
    /// The number of the service that answers it; 0 for none.
    pub service: u32,
    /// The key that its `Idempotency-Key` holds.
    pub idempotency_key: Option<String>,
    /// What its client showed to be known by, where the request came over HTTP.
    pub credentials: Option<Presented>,
    /// What was asked, where the key says that it may be asked again.
    pub digest: Option<Arc<Digest>>,
    /// How its body comes along.
    pub upload: Upload,
    /// How much sooner than the service gives it its client asks for the answer.
    pub hurry: Hurry,
}

impl Request {
    /// The pattern of the route that it matched, such as `/price/{sku}`.
    pub fn route(&self) -> Option<&str> {
        self.matched.get().map(|route| &**route)
    }
}

/// Who is calling, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Their name: a key of limits, never a label of metrics.
    pub id: String,
    /// What they may do.
    pub scopes: BTreeSet<String>,
}

impl Principal {
    /// A principal of this name without any right.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), scopes: BTreeSet::new() }
    }

    /// The same with one right more.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.insert(scope.into());
        self
    }

    /// Whether they hold the right.
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

tokio::task_local! {
    static REQUEST: Arc<Request>;
}

/// The request that the current task answers, if it answers one.
pub fn current() -> Option<Arc<Request>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// Looks at the request that the current task answers, if it answers one.
#[cfg(feature = "service")]
pub(crate) fn with(look: impl FnOnce(&Request)) {
    // Outside a request there is nothing to look at.
    let _ = REQUEST.try_with(|request| look(request));
}

/// Runs `future` as part of `request`, under `deadline` where there is one.
pub async fn scope<F: Future>(request: Arc<Request>, deadline: Option<Instant>, future: F) -> F::Output {
    scoped(request, deadline.map_or(NEVER, clock::moment), future).await
}

/// What [`scope`] runs.
pub(crate) type Scoped<F> = TaskLocalFuture<Arc<Request>, Within<F>>;

pub(crate) fn scoped<F: Future>(request: Arc<Request>, deadline: Nanos, future: F) -> Scoped<F> {
    let within = Within { ambient: Ambient { deadline, ..Ambient::NONE }, future };
    REQUEST.scope(request, within)
}

/// Spawns `future` as part of the current request, where there is one: its lines in the log carry the request's id, a panic's
/// too. The request's deadline does not bind it, since it may outlive the answer. A service that stops waits for it as long as for
/// requests (`shutdown.drain`), and names the route that spawned it if it is cut. Outside of requests, as in what `on_upgrade` is given
/// and in set-up code, it is the service's that runs in this process, where there is one alone.
#[cfg(feature = "service")]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let request = current();
    let spawned = lifetime::Spawned::by(request.as_deref());
    let future = crate::service::panics::at(crate::service::panics::Place::Spawned, future);
    tokio::spawn(async move {
        let _spawned = spawned;
        match request {
            Some(request) => REQUEST.scope(request, future).await,
            None => future.await,
        }
    })
}

/// The deadline that everything the current task does must keep, if there is one.
pub fn deadline() -> Option<Instant> {
    let deadline = ambient().deadline;
    if deadline != NEVER {
        ASKED.set(ASKED.get().max(deadline));
    }
    clock::instant(deadline)
}

/// The latest deadline that code on this thread has asked for since this was called last, 0 for none; from now on `asked`.
pub(crate) fn replace_asked(asked: Nanos) -> Nanos {
    ASKED.replace(asked)
}

/// What is left until [`deadline`]; zero once it has passed.
pub fn remaining() -> Option<Duration> {
    deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// The number of the attempt that the current code runs in, counted from 1: that of the nearest function around it with
/// `#[retry]` or `#[hedged]`, whose executions are numbered in the order in which they begin. 1 where there is none, so that a
/// body can choose another replica for each attempt.
///
/// ```
/// use hardening_runtime::context;
///
/// let replicas = ["http://a.internal", "http://b.internal"];
/// let replica = replicas[(context::attempt() as usize - 1) % replicas.len()];
/// assert_eq!(replica, "http://a.internal");
/// ```
pub fn attempt() -> u32 {
    ambient().attempt.map_or(1, |attempt| attempt.number)
}

/// Runs `future` on behalf of `principal`; the rest of the request around it stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use hardening_runtime::context::{self, Principal};
/// let clerk = Principal::new("clerk-7").with_scope("orders:write");
/// assert_eq!(context::as_principal(clerk, async { context::principal() }).await, "clerk-7");
/// # }
/// ```
pub async fn as_principal<F: Future>(principal: Principal, future: F) -> F::Output {
    let mut request = current().map(|request| (*request).clone()).unwrap_or_default();
    request.principal = Some(principal);
    REQUEST.scope(Arc::new(request), future).await
}

/// Whether the caller holds a right; `None` when nobody knows who calls.
pub(crate) fn holds(scope: &str) -> Option<bool> {
    REQUEST.try_with(|request| request.principal.as_ref().map(|caller| caller.holds(scope))).ok().flatten()
}

/// Whether the client of the current request holds up whoever works on it, by a body that does not come or cannot be read.
pub(crate) fn is_held_up(now: Nanos) -> bool {
    REQUEST.try_with(|request| request.upload.holds_up(now)).unwrap_or(false)
}

/// Whether an attempt that began then, had `timeout`, and has failed now, has failed since the client of the current request asks for
/// an answer sooner than there can be one.
pub(crate) fn is_hurried(began: Nanos, now: Nanos, timeout: Nanos) -> bool {
    REQUEST.try_with(|request| request.hurry.accounts_for(began, now, timeout)).unwrap_or(false)
}

/// A dependency that was told of the current request's time says that it is over.
#[cfg(feature = "http-client")]
pub(crate) fn is_told_of_the_end() {
    // Outside a request nobody is in a hurry.
    let _ = REQUEST.try_with(|request| request.hurry.is_told(clock::now()));
}

/// Whether somebody records the trace of the current request; `None` outside a request.
#[cfg(feature = "otlp")]
pub(crate) fn is_sampled() -> Option<bool> {
    REQUEST.try_with(|request| request.trace.as_ref().map(Trace::is_sampled)).ok().flatten()
}

fn of_request(field: impl FnOnce(&Request) -> Option<String>) -> String {
    REQUEST.try_with(|request| field(request)).ok().flatten().unwrap_or_else(|| "-".to_owned())
}

/// The id of the request that the current task answers, as accepted or made; the same stands in the request's `x-request-id`.
pub fn request_id() -> Option<String> {
    REQUEST.try_with(|request| request.id.clone()).ok()
}

/// The client's address as a key, `-` outside a request. An IPv6 address counts by its /64, since a client has all
/// addresses of one.
pub fn client_ip() -> String {
    of_request(|request| request.client_ip.map(one_client))
}

fn one_client(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Who is calling, `-` outside a request.
pub fn principal() -> String {
    of_request(|request| request.principal.as_ref().map(|caller| caller.id.clone()))
}

/// The tenant, `-` outside a request.
pub fn tenant() -> String {
    of_request(|request| request.tenant.clone())
}

/// The id of the trace that the request belongs to, `-` outside a request.
pub fn trace_id() -> String {
    of_request(|request| request.trace.as_ref().map(Trace::id))
}

/// The route's pattern, `-` outside a request.
pub fn route() -> String {
    of_request(|request| request.route().map(str::to_owned))
}

/// The key that `Idempotency-Key` holds, `-` outside a request.
pub fn idempotency_key() -> String {
    of_request(|request| request.idempotency_key.clone())
}

/// One attempt of a call that is made more than once: they live for ever, one for each number that was ever reached.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The call, as metrics name it.
    pub(crate) call: &'static str,
    /// Counted from 1.
    pub(crate) number: u32,
    /// Whether attempts follow each other, and do not run side by side.
    pub(crate) is_retry: bool,
}

/// What an attempt hands to the calls inside it.
#[derive(Clone, Copy)]
pub(crate) struct Ambient {
    /// The moment by which everything must be done.
    pub(crate) deadline: Nanos,
    /// The attempt of the nearest call around this one that repeats it, or runs it more than once side by side.
    pub(crate) attempt: Option<&'static Attempt>,
}

impl Ambient {
    pub(crate) const NONE: Self = Self { deadline: NEVER, attempt: None };
}

thread_local! {
    static AMBIENT: Cell<Ambient> = const { Cell::new(Ambient::NONE) };
    static ASKED: Cell<Nanos> = const { Cell::new(0) };
}

#[inline(always)]
pub(crate) fn ambient() -> Ambient {
    AMBIENT.get()
}

/// Sets the ambient values until it is dropped, a panic included.
pub(crate) struct Entered(Ambient);

impl Entered {
    #[inline(always)]
    pub(crate) fn new(inner: Ambient) -> Self {
        Self(AMBIENT.replace(inner))
    }
}

impl Drop for Entered {
    #[inline(always)]
    fn drop(&mut self) {
        AMBIENT.set(self.0);
    }
}

pin_project! {
    /// A future and what it hands to the calls inside it.
    pub(crate) struct Within<F> {
        ambient: Ambient,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outer = ambient();
        let deadline = this.ambient.deadline.min(outer.deadline);
        let _entered = Entered::new(Ambient { deadline, ..outer });
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_is_its_address_or_its_64_network() {
        assert_eq!(client_ip(), "-");
        for (address, key) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ] {
            let client_ip = Some(address.parse().expect("an address"));
            let request = Arc::new(Request { client_ip, ..Request::default() });
            assert_eq!(scope(request, None, async { super::client_ip() }).await, key, "{address}");
        }
    }
}
