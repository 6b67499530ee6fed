// Names of the caller's that are also ours, the language's, or the library's.

//# module_private
//# pairs
//# call: shape(1)
mod __private {
    pub struct Site;
    pub struct CallSpec;
}
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# a_static_behind_a_macro
//# call: shape(1)
pub static SITE: u32 = 7;
macro_rules! site {
    () => {
        SITE
    };
}
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number + site!())
}

//# used_private
//# call: shape(1)
mod theirs {
    pub mod __private {
        pub const NUMBER: u32 = 1;
    }
}
use theirs::__private;
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number + __private::NUMBER)
}

//# modules_named_like_crates
//# call: shape(1)
mod core {}
mod std {}
mod alloc {}
mod tokio {}
mod hardening {}
mod hardening_runtime {}
mod inventory {}
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# statics_named_like_ours
//# call: shape(1)
pub static SITE: u32 = 1;
pub static TASK: u32 = 2;
pub static CHECK: u32 = 3;
pub const SITE_: u32 = 4;
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number + SITE + TASK + CHECK + SITE_)
}

//# macros_named_like_ours
//# call: shape(1)
macro_rules! refuse {
    ($($name:ident)*) => {
        $(
            #[allow(unused_macros)]
            macro_rules! $name {
                ($d:tt) => { compile_error!("a macro of the caller's was used") };
            }
        )*
    };
}
refuse!(place register siblings cache_key matches concat module_path env file line stringify pin);
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# prelude_types
//# call: shape(1)
//# before: pub type Answer<T> = ::std::result::Result<T, Error>;
mod shadow {
    pub struct Result;
    pub struct Option;
    pub struct Duration;
    pub struct Box;
    pub struct Vec;
    pub struct String;
    pub struct Pin;
    pub struct Rejected;
    pub struct Call;
    pub struct Outcome;
}
#[allow(unused_imports)]
use shadow::{Box, Call, Duration, Option, Outcome, Pin, Rejected, Result, String, Vec};
#[attributes]
pub async fn shape(number: u32) -> Answer<u32> {
    pause().await;
    Ok(number)
}

//# prelude_values
//# call: shape(1)
//# fallback: Result::Ok(1)
mod shadow {
    #![allow(non_snake_case, non_upper_case_globals)]
    pub fn Ok(_: u8) {}
    pub fn Err(_: u8) {}
    pub const Some: u8 = 1;
    pub static None: u8 = 2;
    pub fn drop(_: u8) {}
}
#[allow(unused_imports)]
use shadow::{Err, None, Ok, Some, drop};
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Result::Ok(number)
}

//# prelude_values_by_glob
//# call: shape(1)
mod shadow {
    #![allow(non_snake_case)]
    pub struct Break;
    pub struct Continue;
    pub fn replay() {}
    pub fn refusable() {}
    pub fn anchor() {}
}
#[allow(unused_imports)]
use shadow::*;
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# prelude_traits
//# call: shape(1)
//# fallback: Ok(1)
mod shadow {
    pub trait From {}
    pub trait Into {}
    pub trait Clone {}
    pub trait Send {}
    pub trait Sync {}
    pub trait Future {}
    pub trait IntoFuture {}
    pub trait Drop {}
    pub trait Default {}
    pub trait Iterator {}
    pub trait ToOwned {}
}
#[allow(unused_imports)]
use shadow::{Clone, Default, Drop, From, Future, Into, IntoFuture, Iterator, Send, Sync, ToOwned};
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# methods_in_the_way_by_value
//# call: shape("a".to_owned())
//# key: text
//# fallback: Ok(text.len())
mod shadow {
    pub trait Everything: Sized {
        fn begin(self) -> u8 { 1 }
        fn attempt(self, _: u8) -> u8 { 1 }
        fn settle(self) -> u8 { 1 }
        fn settle_once(self) -> u8 { 1 }
        fn finish(self) -> u8 { 1 }
        fn must_wait(self) -> u8 { 1 }
        fn wait(self) -> u8 { 1 }
        fn judge(self) -> u8 { 1 }
        fn own(self) -> u8 { 1 }
        fn another(self) -> u8 { 1 }
        fn failed(self) -> u8 { 1 }
        fn observe(self) -> u8 { 1 }
        fn cached(self) -> u8 { 1 }
        fn with_ttl(self) -> u8 { 1 }
    }
    impl<T> Everything for T {}
}
#[allow(unused_imports)]
use shadow::Everything as _;
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# methods_in_the_way_by_reference
//# pairs
//# call: shape("a".to_owned())
//# key: text
//# fallback: Ok(text.len())
mod shadow {
    pub trait Everything {
        fn begin(&self) -> u8 { 1 }
        fn attempt(&self, _: u8) -> u8 { 1 }
        fn settle(&self) -> u8 { 1 }
        fn settle_once(&self) -> u8 { 1 }
        fn finish(&self) -> u8 { 1 }
        fn must_wait(&self) -> u8 { 1 }
        fn wait(&self) -> u8 { 1 }
        fn judge(&self) -> u8 { 1 }
        fn own(&self) -> u8 { 1 }
        fn another(&self) -> u8 { 1 }
        fn failed(&self) -> u8 { 1 }
        fn observe(&self) -> u8 { 1 }
        fn cached(&self) -> u8 { 1 }
        fn with_ttl(&self) -> u8 { 1 }
    }
    impl<T> Everything for T {}
}
#[allow(unused_imports)]
use shadow::Everything as _;
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# without_a_prelude
//# pairs
//# call: shape(1)
//# fallback: ::std::result::Result::Ok(1)
#![no_implicit_prelude]
#[attributes]
pub async fn shape(number: u32) -> ::std::result::Result<u32, Error> {
    pause().await;
    ::std::result::Result::Ok(number)
}

//# generics_named_like_ours
//# call: shape::<_, u32, String>(1, 2, "a".to_owned())
//# key: first
#[attributes]
#[allow(non_camel_case_types)]
pub async fn shape<F: Clone + Eq + std::hash::Hash + Send + Sync + 'static, R: Clone, SITE: Clone>(first: F, second: R, third: SITE) -> Result<usize, Error> {
    pause().await;
    drop((first, second));
    Ok(std::mem::size_of_val(&third))
}

//# functions_named_like_attributes
//# call: timeout(1, 2)
//# key: retry
fn hardened() -> u32 { 1 }
fn bulkhead() -> u32 { 2 }
#[attributes]
pub async fn timeout(retry: u32, deadline: u32) -> Result<u32, Error> {
    pause().await;
    let timeout = retry;
    Ok(timeout + deadline + hardened() + bulkhead())
}

//# function_named_like_its_site
//# call: SITE(1)
#[attributes]
#[allow(non_snake_case)]
pub async fn SITE(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}
