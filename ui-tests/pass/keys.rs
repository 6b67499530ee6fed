//! Every form of a key: each member is owned, or hashed, where it stands.

#![allow(
    clippy::redundant_closure_call,
    clippy::cast_lossless,
    clippy::cast_sign_loss,
    clippy::drop_non_drop,
    reason = "the forms of keys, and arguments that are used up, are what is tested"
)]

use std::borrow::Cow;
use std::hash::Hash;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{CacheKey, Rejected, bulkhead, cached, circuit_breaker, idempotent, rate_limited};

type Answer = Result<u32, Rejected>;

static RUNS: AtomicU32 = AtomicU32::new(0);

fn run() -> u32 {
    RUNS.fetch_add(1, Ordering::Relaxed)
}

#[derive(Clone, Hash, PartialEq, Eq)]
struct User {
    id: u64,
}

/// Borrows, and says what is kept of it.
#[derive(Hash)]
struct Sku<'a>(&'a str);

impl CacheKey for Sku<'_> {
    type Owned = String;

    fn to_owned_key(&self) -> String {
        self.0.to_owned()
    }
}

struct Shop {
    id: String,
    price: f64,
}

impl Shop {
    const fn id(&self) -> &String {
        &self.id
    }

    #[cached(ttl = 30s, key = (self.id, self.price.to_bits(), sku.to_lowercase()))]
    async fn members(&self, sku: &str) -> Answer {
        Ok(sku.len() as u32)
    }

    #[cached(ttl = 30s, key = self.id())]
    async fn method(&self) -> Answer {
        Ok(1)
    }
}

#[cached(ttl = 30s, key = ())]
async fn nothing() -> Answer {
    Ok(run())
}

#[cached(ttl = 30s, key = sku)]
async fn optional(sku: Option<&str>) -> Answer {
    let _ = sku;
    Ok(run())
}

#[cached(ttl = 30s, key = skus)]
async fn several(skus: &[&str]) -> Answer {
    let _ = skus;
    Ok(run())
}

#[cached(ttl = 30s, key = (sku, (shop, (amount, 1))))]
async fn nested(sku: Cow<'_, str>, shop: &Path, amount: String) -> Answer {
    drop((sku, amount, shop));
    Ok(run())
}

#[cached(ttl = 30s, key = (user, shop, &(one, pair)))]
async fn users(user: Option<&User>, shop: &User, one: User, pair: (&str, Option<Box<str>>)) -> Answer {
    drop((user, shop, one, pair));
    Ok(1)
}

#[cached(ttl = 30s, key = (sku, nested))]
async fn own(sku: Sku<'_>, nested: Option<Sku<'_>>) -> Answer {
    drop((sku, nested));
    Ok(1)
}

#[cached(ttl = 30s, key = user)]
async fn cow_of_own(user: Cow<'_, User>) -> Answer {
    Ok(user.id as u32)
}

#[cached(ttl = 30s, key = { let length = sku.len(); length + 1 })]
async fn block(sku: &str) -> Answer {
    Ok(sku.len() as u32)
}

#[cached(ttl = 30s, key = (|| sku.len())())]
async fn closure(sku: &str) -> Answer {
    Ok(sku.len() as u32)
}

#[cached(ttl = 30s, key = format!("{sku}-{}", sku.len()))]
async fn macro_call(sku: &str) -> Answer {
    Ok(sku.len() as u32)
}

#[cached(ttl = 30s, key = sku as u64 + 1)]
async fn cast(sku: u32) -> Answer {
    Ok(sku)
}

#[cached(ttl = 30s, key = (Some(sku), -1, [1_u8, 2], "a"))]
async fn literals(sku: &str) -> Answer {
    Ok(sku.len() as u32)
}

#[cached(ttl = 30s, key = key)]
async fn generic<K: Hash + Eq + Clone + Send + Sync + 'static>(key: K) -> Answer {
    drop(key);
    Ok(1)
}

#[cached(ttl = 30s, key = key.as_ref())]
async fn as_ref<K: AsRef<str>>(key: K) -> Answer {
    drop(key);
    Ok(1)
}

#[cached(ttl = 30s, key = key)]
async fn shared(key: Rc<str>) -> Answer {
    Ok(key.len() as u32)
}

#[rate_limited(100/s, key = (sku, (shop, (amount, 1))))]
#[circuit_breaker(key = (sku, (shop, (amount, 1))))]
#[bulkhead(max = 10, key = (sku, (shop, (amount, 1))))]
async fn hashed(sku: Cow<'_, str>, shop: Option<&str>, amount: String) -> Answer {
    drop((sku, amount, shop));
    Ok(1)
}

#[rate_limited(100/s, key = ())]
#[circuit_breaker(key = { sku.len() })]
#[bulkhead(max = 10, key = (|| sku.len())())]
#[cached(ttl = 30s, key = format!("{sku:?}"))]
async fn stacked(sku: &[&str; 1]) -> Answer {
    Ok(sku.len() as u32)
}

#[idempotent(key = (sku, (shop, (amount, 1))), fingerprint = (amount, sku))]
async fn once(sku: Cow<'_, str>, shop: &[&str], amount: String) -> Answer {
    drop((sku, amount, shop));
    Ok(1)
}

#[idempotent(key = { sku.len() }, fingerprint = ())]
async fn once_block(sku: &str) -> Answer {
    Ok(sku.len() as u32)
}

#[idempotent(key = price.to_bits(), fingerprint = format!("{price}"))]
async fn once_float(price: f64) -> Answer {
    Ok(price as u32)
}

fn sent<T: Send>(value: T) -> T {
    value
}

#[cached(ttl = 30s, key = (user, place.0, place.1))]
async fn named_members(user: &mut User, place: (User, &str)) -> Answer {
    user.id += 1;
    Ok(place.1.len() as u32)
}

#[tokio::test(start_paused = true)]
async fn i_78_borrowed_members_tell_results_apart() {
    let of = |text: &str| text.to_owned();
    let first = sent(optional(None)).await;
    assert_eq!(first, optional(None).await);
    assert_ne!(first, optional(Some("a")).await);
    assert_eq!(optional(Some(&of("a"))).await, optional(Some(&of("a"))).await);
    assert_eq!(nothing().await, nothing().await);
    assert_eq!(several(&["a", "b"]).await, several(&[&of("a"), &of("b")]).await);
    assert_ne!(several(&["a", "b"]).await, several(&["ab"]).await);
    let path = Path::new("/");
    let first = sent(nested("a".into(), path, of("1"))).await;
    assert_eq!(first, nested(Cow::Owned(of("a")), path, of("1")).await);
    assert_ne!(first, nested("a".into(), path, of("2")).await);
}

#[tokio::test(start_paused = true)]
async fn i_78_every_form_of_a_key_compiles_and_runs() {
    let user = User { id: 1 };
    let shop = Shop { id: "1".to_owned(), price: 1.5 };
    shop.members("A").await.unwrap();
    shop.method().await.unwrap();
    users(Some(&user), &user, user.clone(), ("a", None)).await.unwrap();
    own(Sku("a"), Some(Sku("b"))).await.unwrap();
    named_members(&mut user.clone(), (user.clone(), "a")).await.unwrap();
    cow_of_own(Cow::Borrowed(&user)).await.unwrap();
    block("a").await.unwrap();
    closure("a").await.unwrap();
    macro_call("a").await.unwrap();
    cast(1).await.unwrap();
    literals("a").await.unwrap();
    generic(user).await.unwrap();
    as_ref("a").await.unwrap();
    shared("a".into()).await.unwrap();
    hashed("a".into(), None, "1".to_owned()).await.unwrap();
    stacked(&["a"]).await.unwrap();
    once("a".into(), &["b"], "1".to_owned()).await.unwrap();
    once_block("a").await.unwrap();
    once_float(1.0).await.unwrap();
}
