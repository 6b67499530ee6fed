//! What the shapes use.

pub use std::borrow::Cow;
pub use std::cell::Cell;
pub use std::future::Future;
pub use std::marker::PhantomData;
pub use std::pin::Pin;
pub use std::rc::Rc;
pub use std::sync::Arc;

pub use async_trait::async_trait;
pub use axum::extract::Request;
pub use axum::response::IntoResponse;
pub use hardening::Json;
use serde::{Deserialize, Serialize};

/// An error that everything can be made into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Error {
    NotFound,
    Other(String),
    #[serde(skip)]
    Rejected(hardening::Rejected),
}

impl From<hardening::Rejected> for Error {
    fn from(rejected: hardening::Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<std::num::ParseIntError> for Error {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::Other(error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> axum::response::Response {
        format!("{self:?}").into_response()
    }
}

/// Not `Clone`.
#[derive(Debug, Default)]
pub struct Unique(pub u32);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub lines: Vec<String>,
    pub note: Option<String>,
}

pub async fn pause() {
    tokio::task::yield_now().await;
}

pub fn consume(text: String) -> usize {
    text.len()
}

pub fn consume_order(order: Order) -> usize {
    order.lines.len()
}

macro_rules! autos {
    ($($name:ident $not:ident $maybe:ident: $auto:path;)*) => {$(
        /// Refuses a value whose type does not have the trait.
        pub fn $name<T: $auto + ?Sized>(_: &T) {}

        /// Ambiguous for a type that has the trait.
        pub trait $maybe<A> {}
        impl<T: ?Sized> $maybe<()> for T {}
        impl<T: $auto + ?Sized> $maybe<u8> for T {}

        /// Refuses a value whose type has the trait.
        pub fn $not<T: $maybe<A> + ?Sized, A>(_: &T) {}
    )*};
}
autos! {
    send not_send MaybeSend: Send;
    sync not_sync MaybeSync: Sync;
    unpin not_unpin MaybeUnpin: Unpin;
}
