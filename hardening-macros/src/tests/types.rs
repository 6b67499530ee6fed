//! Types that a signature shows to be of no use: error types, arguments that a repeated body uses up, keys.

use proc_macro2::TokenStream;
use quote::quote;

use super::messages;
use super::mistakes::one;

#[test]
fn an_error_type_can_report_a_refusal() {
    let f = |error: TokenStream| quote!(#[timeout(1s)] async fn f() -> Result<u8, #error> { x() });
    for error in [
        quote!(()),
        quote!(String),
        quote!(std::string::String),
        quote!(&'static str),
        quote!([u8; 4]),
        quote!(u16),
        quote!(!),
        quote!(std::convert::Infallible),
        quote!(std::num::ParseIntError),
        quote!(Utf8Error),
        quote!(Vec<Own>),
        quote!((StatusCode, Json<u8>)),
        quote!((StatusCode, &'static str)),
        quote!((u16, String)),
        quote!((A, B, C)),
        quote!((StatusCode,)),
    ] {
        one(f(error), "can be made of it");
    }
    for error in [
        quote!(Error),
        quote!(io::Error),
        quote!((StatusCode, String)),
        quote!((http::StatusCode, Text)),
        quote!(Response),
        quote!(Box<dyn Error>),
        quote!(Arc<Own>),
        quote!(Option<Own>),
        quote!(&'static Own),
        quote!(Status),
        quote!(E),
    ] {
        let shown = error.to_string();
        assert_eq!(messages(f(error)), [""; 0], "{shown}");
    }
    if cfg!(feature = "grpc") {
        assert_eq!(messages(f(quote!(tonic::Status))), [""; 0]);
    } else {
        one(f(quote!(tonic::Status)), "feature `grpc`");
    }
    // Without a policy nothing is refused.
    assert_eq!(
        messages(quote!(
            #[hardened]
            async fn f() -> Result<u8, String> {
                x()
            }
        )),
        [""; 0]
    );
}

#[test]
fn a_type_parameter_as_error_has_the_conversion() {
    let f = |generics: TokenStream, bounds: TokenStream| quote!(#[timeout(1s)] async fn f #generics () -> Result<u8, E> #bounds { x() });
    for (generics, bounds) in [
        (quote!(<E>), quote!()),
        (quote!(<E: Send + 'static>), quote!()),
        (quote!(<E: std::error::Error>), quote!(where E: Sync)),
    ] {
        one(f(generics, bounds), "add the bound `E: From<hardening::Rejected>`");
    }
    for (generics, bounds) in [
        (quote!(<E: From<Rejected>>), quote!()),
        (quote!(<E>), quote!(where E: Debug + From<hardening::Rejected>)),
        (quote!(<E: Failure>), quote!()),
        (quote!(<E: Error>), quote!()),
    ] {
        assert_eq!(messages(f(generics, bounds)), [""; 0]);
    }
}

#[test]
fn what_can_be_used_once_is_not_for_a_body_that_runs_again() {
    let f = |ty: TokenStream, body: TokenStream| quote!(#[retry(idempotent)] async fn f<F: FnOnce(), G: FnMut() + Copy>(a: #ty) -> Result<u8, Error> { #body });
    for (ty, part) in [
        (quote!(impl FnOnce() -> u8), "write `impl FnOnce() -> u8 + Clone`, or take `&impl Fn() -> u8`"),
        (quote!(impl FnMut(&str) -> u8 + Send), "or take `&mut impl FnMut(&str) -> u8 + Send`"),
        (quote!(impl Fn()), "write `impl Fn() + Clone`, or take `&impl Fn()`"),
        (quote!(impl AsyncFnOnce()), "or take `&impl AsyncFn()`"),
        (quote!(F), "add the bound `F: Clone`, or take `&F` where `F` is `Fn`"),
        (quote!(Box<dyn FnOnce() + Send>), "take `Arc<dyn Fn() + Send + Sync>`"),
        (quote!(impl Future<Output = u8>), "a future runs once"),
    ] {
        one(f(ty, quote!(a())), part);
    }
    for ty in
        [quote!(impl FnOnce() + Clone), quote!(G), quote!(&impl Fn()), quote!(impl Own), quote!(Box<Own>)]
    {
        assert_eq!(messages(f(ty, quote!(a()))), [""; 0]);
    }
    // What is not mentioned is not used up.
    assert_eq!(messages(f(quote!(impl FnOnce()), quote!(b.a()))), [""; 0]);
}

#[test]
fn a_type_parameter_as_key_has_what_a_key_needs() {
    let f = |attribute: TokenStream, ty: TokenStream| quote!(#[#attribute] async fn f<K: Hash, L: Hash + Eq + Clone + Send + Sync + 'static, M: Own>(k: #ty) -> Result<u8, Error> { x() });
    one(
        f(quote!(cached(ttl = 1s, key = k)), quote!(K)),
        "add the bound `K: Eq + Clone + Send + Sync + 'static`",
    );
    one(f(quote!(cached(ttl = 1s, key = (1, &k))), quote!(&K)), "`k` is kept as a key");
    let part = "write `impl AsRef<str> + Hash`, or take what it refers to: `k.as_ref()`";
    one(f(quote!(rate_limited(1 / s, key = k)), quote!(impl AsRef<str>)), part);
    one(f(quote!(idempotent(key = 1, fingerprint = k)), quote!(impl Clone)), "`k` is hashed as a key");
    for (attribute, ty) in [
        (quote!(cached(ttl = 1s, key = k)), quote!(L)),
        (quote!(cached(ttl = 1s, key = k)), quote!(M)),
        (quote!(cached(ttl = 1s, key = k.id())), quote!(K)),
        (quote!(bulkhead(max = 1, key = k)), quote!(K)),
    ] {
        assert_eq!(messages(f(attribute, ty)), [""; 0]);
    }
}
