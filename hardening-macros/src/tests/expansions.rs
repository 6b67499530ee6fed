//! Snapshots of what each shape of function expands to.

use proc_macro2::TokenStream;
use quote::quote;

use super::{expand, formatted};

/// Source, then what it expands to.
fn shown(source: &str) -> String {
    format!("{}\n\n// expands to\n\n{}", source.trim(), formatted(&expand(tokens(source))))
}

/// The same for a method, whose expansion stands in an `impl`.
fn shown_method(source: &str) -> String {
    let expanded = expand(tokens(source));
    format!("{}\n\n// expands to\n\n{}", source.trim(), formatted(&quote!(impl Client { #expanded })))
}

fn tokens(source: &str) -> TokenStream {
    source.parse().expect("tokens")
}

macro_rules! snapshot {
    ($name:literal, $shown:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($name, $shown);
        });
    };
}

const FULL_STACK: &str = r"
/// The price of an article.
#[fallback(cached(sku).await)]
#[retry(attempts = 3, backoff = 20ms..200ms, on = Err(Error::Io(_)), idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
#[rate_limited(20/s, burst = 10, key = client_ip)]
#[bulkhead(max = 10)]
#[deadline(3s)]
#[timeout(200ms)]
pub async fn price(sku: String) -> Result<Price, Error> {
    supplier().price(sku).await
}
";

#[test]
fn instrumentation_alone() {
    snapshot!(
        "hardened",
        shown(
            r"
#[hardened]
async fn total(lines: &[Line]) -> u64 {
    lines.iter().map(Line::cents).sum()
}
"
        )
    );
    snapshot!(
        "hardened_result",
        shown(
            r#"
#[hardened(name = "orders.read", level = debug, span_fields(order.id))]
async fn read(order: Order) -> std::io::Result<Vec<u8>> {
    tokio::fs::read(order.path).await
}
"#
        )
    );
}

#[test]
fn one_policy() {
    snapshot!(
        "timeout",
        shown(
            r"
#[timeout(500ms)]
async fn fetch(url: String) -> Result<String, Error> {
    get(url).await
}
"
        )
    );
}

#[test]
fn every_policy() {
    snapshot!("full_stack", shown(FULL_STACK));
    snapshot!(
        "all_in_one",
        shown(
            r"
#[hardened(
    timeout = 500ms, deadline = crate::LIMIT, retry(attempts = 3, not_executed = Error::Connect(_)),
    rate_limited(100/s, cost = size), rate_limited(10/s, per = attempt), circuit_breaker,
)]
async fn send(size: u32) -> Reply<()> {
    put(size).await
}
"
        )
    );
}

#[test]
fn a_full_stack_is_at_most_60_lines_besides_the_body() {
    let source = r"
#[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
#[rate_limited(20/s, burst = 10)]
#[bulkhead(max = 10)]
#[deadline(3s)]
#[timeout(200ms)]
pub async fn price(sku: String) -> Result<Price, Error> {
    supplier().price(sku).await
}
";
    let lines = formatted(&expand(tokens(source))).lines().count() - 1;
    assert!(lines <= 60, "{lines} lines");
}

#[test]
fn methods() {
    snapshot!(
        "method_exclusive_self",
        shown_method(
            r"
#[retry(attempts = 2, idempotent)]
async fn push(&mut self, mut item: Item, conn: &mut Conn, (a, mut b): (u8, String)) -> Result<(), Error> {
    self.pushed += 1;
    item.touch(a);
    b.push('x');
    conn.send(item, b).await
}
"
        )
    );
    snapshot!(
        "method_owned_self",
        shown_method(
            r#"
#[retry(idempotent)]
async fn close(mut self) -> Result<(), Error> {
    self.closed = true;
    self::log(format!("{}", self.name));
    self.inner.close().await
}
"#
        )
    );
}

#[test]
fn generics_and_opaque_types() {
    snapshot!(
        "generics",
        shown(
            r"
#[retry(idempotent)]
async fn all<'a, T>(from: &'a str, filter: impl Fn(&T) -> bool + Clone)
    -> Result<impl Iterator<Item = T> + 'a, Error>
where
    T: Decode + 'a,
{
    Ok(load(from).await?.filter(filter))
}
"
        )
    );
}

#[test]
fn what_async_trait_hands_over() {
    snapshot!(
        "async_trait",
        shown_method(
            r"
#[retry(idempotent)]
fn put<'life0, 'async_trait>(
    &'life0 mut self,
    key: String,
) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<usize, Error>> + ::core::marker::Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move {
        let mut __self = self;
        let key = key;
        let __ret: Result<usize, Error> = { __self.put(key).await };
        #[allow(unreachable_code)]
        __ret
    })
}
"
        )
    );
}

#[test]
fn patterns_and_the_error() {
    snapshot!(
        "patterns",
        shown(
            r"
#[fallback(degraded(&sku, error), on = Error::Io(_), not_on = Error::Io(e) if e.is_fatal(), on_rejected = (timeout, rate_limited))]
#[retry(not_on = Error::NotFound | Err(Error::Gone), idempotent, retry_after = error.retry_after())]
#[circuit_breaker(failure = Err(_) | Ok(Answer::Stale), ignore = Error::NotFound, timeouts = ignore)]
async fn ask(sku: String) -> Result<Answer, Error> {
    supplier().ask(sku).await
}
"
        )
    );
}

#[test]
fn conditional_arguments_and_other_attributes() {
    snapshot!(
        "cfg_arguments",
        shown(
            r#"
#[cfg(unix)]
#[hardening::retry(idempotent)]
#[must_use]
#[ntest::timeout(100)]
#[timeout(1s)]
pub(crate) async fn read(#[cfg(feature = "tls")] tls: Tls, path: PathBuf) -> Result<Vec<u8>, Error> {
    open(#[cfg(feature = "tls")] tls, path).await
}
"#
        )
    );
}

#[test]
fn results_that_are_looked_for_first() {
    snapshot!(
        "cached",
        shown(
            r#"
#[requires("prices:read")]
#[cached(ttl = 30s, key = (shop, sku), stale_while_revalidate = 1m)]
#[timeout(200ms)]
async fn price(shop: Shop, sku: String) -> Result<Price, Error> {
    supplier(shop).price(sku).await
}
"#
        )
    );
    snapshot!(
        "cached_in_bytes",
        shown(
            r"
#[cached(ttl = 30s, key = sku, max_bytes = 1MiB, negative = Error::NotFound for 5s)]
async fn price(sku: String) -> Result<Price, Error> {
    supplier().price(sku).await
}
"
        )
    );
    snapshot!(
        "idempotent_with_an_owner",
        shown(
            r"
#[idempotent(owner = (shop, session.user))]
async fn place(shop: Shop, session: Session, order: Order) -> Result<Receipt, Error> {
    shop.place(order).await
}
"
        )
    );
    snapshot!(
        "idempotent",
        shown(
            r"
#[idempotent(key = order.number, fingerprint = order, ttl = 1h)]
#[hedged(after = p99.9, max = 2, idempotent)]
async fn place(order: Order) -> Result<Receipt, Error> {
    shop().place(order).await
}
"
        )
    );
}

#[test]
fn checks_and_services() {
    snapshot!(
        "health_check",
        shown(
            r"
#[health_check(every = 10s, kind = ready)]
async fn db(pool: &PgPool, cache: &Cache) -> Result<(), sqlx::Error> {
    pool.acquire().await.map(drop)
}
"
        )
    );
    snapshot!(
        "background",
        shown(
            r"
#[background(restart = 1s..60s, order = 1)]
async fn relay(pool: &PgPool, stop: Stopping) -> Result<(), sqlx::Error> {
    while !stop.is_requested() {
        forward(pool).await?;
    }
    Ok(())
}
"
        )
    );
    snapshot!(
        "service_main",
        shown(
            r#"
/// The orders service.
#[hardened_service(name = "orders")]
async fn main(setup: &mut Setup) -> hardening::Result<Router> {
    Ok(Router::new())
}
"#
        )
    );
    snapshot!(
        "service_named",
        shown(
            r#"
#[hardened_service(listen = "0.0.0.0:8080", grace = 1m, config = "orders.toml")]
pub async fn orders() -> Router {
    Router::new()
}
"#
        )
    );
}
