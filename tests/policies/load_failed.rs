//! What those who wait for a load get when it fails.

use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{Rejected, cached, circuit_breaker, deadline, fallback, hedged, retry, timeout};
use tokio::time::{Instant, sleep};

use super::handover::{Error, joined, twenty};
use super::support::ms;

#[tokio::test(start_paused = true)]
async fn the_sites_own_timeout_and_deadline_end_the_flight_for_all_with_the_same_error() {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 10s, key = ())]
    #[timeout(50ms)]
    async fn under_timeout() -> Result<u32, Error> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
    #[cached(ttl = 10s, key = ())]
    #[deadline(50ms)]
    async fn under_deadline() -> Result<u32, Error> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        sleep(ms(200)).await;
        Ok(1)
    }
    let call = "load_failed::under_timeout";
    let timeout = Err(Error::Rejected(Rejected::Timeout { call, after: ms(50) }));
    assert_eq!(joined(twenty(under_timeout)).await, vec![timeout; 20]);
    assert_eq!(LOADS.swap(0, Ordering::SeqCst), 1);
    // Those who came later have their own deadline still before them, and share the end of the load.
    let leader = tokio::spawn(under_deadline());
    sleep(ms(20)).await;
    let began = Instant::now();
    let ends = joined(twenty(under_deadline)).await;
    assert!(leader.await.unwrap().is_err());
    let late = Err(Error::Rejected(Rejected::DeadlineExceeded { call: "load_failed::under_deadline" }));
    assert_eq!((ends, LOADS.load(Ordering::SeqCst)), (vec![late; 20], 1));
    assert!(began.elapsed() <= ms(32), "{:?}", began.elapsed());
}

/// The error of a crate that has no `Clone`.
#[derive(Debug)]
struct NotClone(String);

impl std::fmt::Display for NotClone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the source said: {}", self.0)
    }
}

impl From<Rejected> for NotClone {
    fn from(rejected: Rejected) -> Self {
        Self(format!("{} {rejected}", rejected.kind()))
    }
}

#[tokio::test(start_paused = true)]
async fn followers_of_an_error_without_clone_get_its_text_without_secrets() {
    #[cached(ttl = 10s, key = ())]
    async fn fails() -> Result<u32, NotClone> {
        sleep(ms(10)).await;
        Err(NotClone("password=hunter22 at postgres://me:rosebud@db/x".to_owned()))
    }
    let ends = joined(twenty(fails)).await;
    assert!(ends[0].as_ref().unwrap_err().0.starts_with("password"));
    for end in &ends[1..] {
        let text = &end.as_ref().unwrap_err().0;
        assert!(text.starts_with("load_failed ") && text.contains("the source said"), "{text}");
        assert!(!text.contains("hunter22") && !text.contains("rosebud"), "{text}");
    }
}

/// An error with `Debug` alone, and one with nothing.
#[tokio::test(start_paused = true)]
async fn an_error_without_display_is_told_by_what_it_has() {
    #[derive(Debug)]
    enum Shown {
        #[allow(dead_code, reason = "it is shown")]
        Broken {
            line: u32,
        },
        Refused(String),
    }
    enum Mute {
        Broken,
        Refused(String),
    }
    impl From<Rejected> for Shown {
        fn from(rejected: Rejected) -> Self {
            Self::Refused(rejected.to_string())
        }
    }
    impl From<Rejected> for Mute {
        fn from(rejected: Rejected) -> Self {
            Self::Refused(rejected.to_string())
        }
    }
    #[cached(ttl = 10s, key = ())]
    async fn shown() -> Result<u32, Shown> {
        sleep(ms(10)).await;
        Err(Shown::Broken { line: 7 })
    }
    #[cached(ttl = 10s, key = ())]
    async fn mute() -> Result<u32, Mute> {
        sleep(ms(10)).await;
        Err(Mute::Broken)
    }
    let ends = joined(twenty(shown)).await;
    assert!(
        ends[1..]
            .iter()
            .all(|end| matches!(end, Err(Shown::Refused(text)) if text.contains("Broken { line: 7 }")))
    );
    let ends = joined(twenty(mute)).await;
    assert!(matches!(ends[0], Err(Mute::Broken)));
    assert!(
        ends[1..]
            .iter()
            .all(|end| matches!(end, Err(Mute::Refused(text)) if text.contains("load_failed::mute")))
    );
}

#[cached(ttl = 10s, key = k)]
async fn with_clone<E: From<Rejected> + Clone + Send + 'static>(k: u32, error: E) -> Result<u32, E> {
    sleep(ms(10)).await;
    if k == 0 { Ok(k) } else { Err(error) }
}

#[cached(ttl = 10s, key = k)]
async fn without_clone<E: From<Rejected> + Send>(k: u32, error: E) -> Result<u32, E> {
    sleep(ms(10)).await;
    if k == 0 { Ok(k) } else { Err(error) }
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_a_generic_decide_whether_its_error_is_shared() {
    assert_eq!(joined(twenty(|| with_clone(1, Error::Down))).await, vec![Err(Error::Down); 20]);
    let ends = joined(twenty(|| without_clone(1, Error::Down))).await;
    assert_eq!(ends[0], Err(Error::Down));
    assert!(
        ends[1..].iter().all(|end| matches!(end, Err(Error::Rejected(Rejected::LoadFailed { .. })))),
        "{ends:?}"
    );
}

type Answer = Result<u32, Error>;

struct Shop;

impl Shop {
    #[cached(ttl = 10s, key = k, instances = shared)]
    async fn price(&self, k: u32) -> Answer {
        sleep(ms(10)).await;
        if k == 0 { Ok(k) } else { Err(Error::Down) }
    }

    #[cached(ttl = 10s, key = k)]
    async fn borrowed<'a>(k: u32, name: &'a str) -> Result<u32, Named<'a>> {
        sleep(ms(10)).await;
        if k == 0 { Ok(k) } else { Err(Named(name)) }
    }
}

#[derive(Clone, Debug)]
struct Named<'a>(#[allow(dead_code, reason = "it is shown")] &'a str);

impl From<Rejected> for Named<'_> {
    fn from(_: Rejected) -> Self {
        Self("refused")
    }
}

#[tokio::test(start_paused = true)]
async fn aliases_and_methods_share_their_errors_and_borrowed_ones_are_told() {
    assert_eq!(joined(twenty(|| Shop.price(1))).await, vec![Err(Error::Down); 20]);
    let ends = joined(twenty(|| Shop::borrowed(1, "x"))).await;
    assert_eq!(ends.iter().filter(|end| end.as_ref().unwrap_err().0 == "refused").count(), 19);
}

#[tokio::test(start_paused = true)]
async fn a_refused_load_is_refused_to_all_and_the_fallback_answers_for_each() {
    #[cached(ttl = 10s, key = ())]
    #[timeout(50ms)]
    #[fallback(Ok(0), on_rejected = timeout)]
    async fn covered() -> Result<u32, Error> {
        std::future::pending().await
    }
    #[cached(ttl = 10s, key = ())]
    #[circuit_breaker(consecutive = 1, open_for = 1m)]
    #[timeout(50ms)]
    async fn broken() -> Result<u32, Error> {
        std::future::pending().await
    }
    assert_eq!(joined(twenty(covered)).await, vec![Ok(0); 20]);
    assert!(broken().await.is_err());
    let open = |end: &Result<u32, Error>| matches!(end, Err(Error::Rejected(Rejected::CircuitOpen { .. })));
    assert!(joined(twenty(broken)).await.iter().all(open));
}

/// The attribute sees no bound of `E`, which may borrow as far as it knows.
struct Shelf<E>(std::marker::PhantomData<fn() -> E>);

impl<E: From<Rejected> + From<Error> + Clone + Send> Shelf<E> {
    #[cached(ttl = 10s, key = sku, instances = shared)]
    async fn price(&self, sku: u32) -> Result<u32, E> {
        sleep(ms(10)).await;
        if sku == 0 { Err(Error::Down.into()) } else { Ok(sku) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_impl_s_parameters_needs_no_more_bounds_than_without_the_attribute() {
    let shelf = Shelf::<Error>(std::marker::PhantomData);
    assert_eq!(shelf.price(7).await, Ok(7));
    let (leader, follower) = tokio::join!(shelf.price(0), shelf.price(0));
    assert_eq!(leader, Err(Error::Down));
    assert!(matches!(follower, Err(Error::Rejected(Rejected::LoadFailed { .. }))), "{follower:?}");
}

/// Panics when it is dropped while it waits.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor");
    }
}

/// What the function's own time cuts is the function's, and so is a panic in what the cut body leaves behind.
#[tokio::test(start_paused = true)]
async fn a_destructor_that_panics_in_a_load_that_was_cut_ends_the_flight_for_all() {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    async fn armed() -> Result<u32, Error> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        let _bomb = Bomb;
        std::future::pending().await
    }
    #[cached(ttl = 10s, key = ())]
    #[timeout(50ms)]
    async fn under_timeout() -> Result<u32, Error> {
        armed().await
    }
    #[cached(ttl = 10s, key = ())]
    #[deadline(50ms)]
    #[retry(attempts = 3, backoff = 1ms, idempotent)]
    async fn under_deadline() -> Result<u32, Error> {
        armed().await
    }
    #[cached(ttl = 10s, key = ())]
    #[timeout(50ms)]
    #[hedged(after = 20ms, idempotent)]
    async fn hedged_load() -> Result<u32, Error> {
        armed().await
    }
    macro_rules! ends_for_all {
        ($($load:ident)+) => {$(
            let leader = tokio::spawn($load());
            tokio::task::yield_now().await;
            let followers = twenty($load);
            assert!(leader.await.unwrap_err().is_panic(), stringify!($load));
            let ends = joined(followers).await;
            let failed = |end: &Result<u32, Error>| matches!(end, Err(Error::Rejected(Rejected::LoadFailed { .. })));
            assert!(ends.iter().all(failed), "{}: {ends:?}", stringify!($load));
        )+};
    }
    ends_for_all! { under_timeout under_deadline }
    assert_eq!(LOADS.swap(0, Ordering::SeqCst), 2, "one each");
    ends_for_all! { hedged_load }
    assert!(LOADS.load(Ordering::SeqCst) <= 2);
}
