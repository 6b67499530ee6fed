//! What must not compile: each mistake once, all of one function together.

use proc_macro2::TokenStream;
use quote::quote;

use super::{expand, formatted, messages};

#[track_caller]
pub(super) fn one(source: TokenStream, part: &str) {
    let found = messages(source);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(part), "{found:?}");
}

/// An attribute on a function that is right.
#[track_caller]
fn written(attribute: &TokenStream, part: &str) {
    one(quote!(#attribute async fn f(sku: String) -> Result<(), Error> { Ok(()) }), part);
}

#[test]
fn a_retry_needs_evidence() {
    written(&quote!(#[retry]), "Write `idempotent` if running the body twice does no harm");
    written(&quote!(#[retry(idempotnet)]), "did you mean `idempotent`?");
    for pattern in [
        quote!(_),
        quote!(Err(_)),
        quote!(Err(..)),
        quote!(Err(e)),
        quote!(Err(e @ _)),
        quote!(Error::Connect(_) | _),
        quote!((_)),
    ] {
        written(&quote!(#[retry(not_executed = #pattern)]), "matches every error");
    }
    written(&quote!(#[retry(not_executed = Ok(_))]), "`Ok` is none");
    for pattern in
        [quote!(Error::Connect(_)), quote!(Err(e) if e.is_connect()), quote!(Err(Error::A | Error::B))]
    {
        assert_eq!(
            messages(quote!(
                #[retry(not_executed = #pattern)]
                async fn f() -> R {
                    Ok(())
                }
            )),
            [""; 0]
        );
    }
}

#[test]
fn keys_that_do_nothing_together_do_not_compile() {
    written(&quote!(#[retry(not_executed = Error::F, on = Error::X)]), "nothing is both");
    written(
        &quote!(#[retry(not_executed = Error::F | Error::G, on = Ok(None2 { .. }) | Error::X)]),
        "nothing is both",
    );
    written(&quote!(#[retry(not_executed = Error::F, idempotent)]), "keep one of them");
    written(&quote!(#[retry(idempotent, on = Error::X, not_on = Error::X)]), "everything that `on` names");
    written(&quote!(#[retry(idempotent, on = Error::X, not_on = _)]), "everything that `on` names");
    written(
        &quote!(#[retry(not_executed = Error::X(_), not_on = Error::X(..))]),
        "everything that `not_executed` names",
    );
    written(
        &quote!(#[circuit_breaker(failure = Error::X, ignore = Error::X | Error::Y)]),
        "everything that `failure` names",
    );
    written(&quote!(#[fallback(Ok(()), on = Error::X(1), not_on = Error::X(_))]), "answers for no error");
    for attribute in [
        quote!(#[retry(not_executed = Error::F, on = Error::F | Error::X)]),
        quote!(#[retry(not_executed = Error::F, on = _)]),
        quote!(#[retry(not_executed = Error::F, on = Error::GONE)]),
        quote!(#[retry(not_executed = Error::F, not_on = Error::X)]),
        quote!(#[retry(idempotent, on = Error::X, not_on = Error::X if late())]),
        quote!(#[retry(idempotent, on = Ok(_), not_on = _)]),
        quote!(#[circuit_breaker(failure = Error::X | Error::Y, ignore = Error::X)]),
        quote!(#[fallback(Ok(()), on = Error::X(_), not_on = Error::X(1))]),
    ] {
        assert_eq!(messages(quote!(#attribute async fn f() -> Result<(), Error> { Ok(()) })), [""; 0]);
    }
}

#[test]
fn a_lone_name_is_no_pattern() {
    for key in [quote!(on), quote!(not_on), quote!(not_executed)] {
        written(&quote!(#[retry(idempotent, #key = NotFound)]), "`Error::NotFound`");
    }
    written(&quote!(#[circuit_breaker(failure = Error::Io(_) | NotFound)]), "`NotFound` alone");
    written(&quote!(#[circuit_breaker(ignore = NotFound if busy())]), "`NotFound` alone");
    assert_eq!(
        messages(quote!(
            #[circuit_breaker(ignore = e if e.is_busy())]
            async fn f() -> R {
                Ok(())
            }
        )),
        [""; 0]
    );
}

#[test]
fn a_fallback_answers_for_an_error() {
    written(&quote!(#[fallback(Ok(()), on = Ok(_))]), "never for an `Ok`");
    written(&quote!(#[fallback(Ok(()), not_on = Error::A | Ok(()))]), "never for an `Ok`");
    written(&quote!(#[fallback]), "`fallback` needs an expression");
}

#[test]
fn a_policy_takes_note_of_something() {
    let sound = |attributes: &TokenStream| {
        let found = messages(quote!(#attributes async fn f(sku: String) -> Result<(), Error> { Ok(()) }));
        assert_eq!(found, [""; 0], "{attributes}");
    };
    for every in [quote!(_), quote!(Err(_)), quote!(Error::A | _)] {
        let retry = quote!(#[retry(idempotent, not_on = #every)]);
        for futile in
            [quote!(), quote!(#[deadline(3s)]), quote!(#[rate_limited(1/s)]), quote!(#[circuit_breaker])]
        {
            written(&quote!(#retry #futile), "there is nothing else to repeat");
        }
        for other in [
            quote!(#[timeout(1s)]),
            quote!(#[bulkhead(max = 5)]),
            quote!(#[bulkhead(REDIS)]),
            quote!(#[rate_limited(9/s, per = attempt)]),
            quote!(#[rate_limited(API, per = attempt)]),
        ] {
            sound(&quote!(#retry #other));
        }
        sound(&quote!(#[retry(idempotent, on = Ok(0), not_on = #every)]));

        for futile in [
            quote!(#[circuit_breaker(ignore = #every)]),
            quote!(#[circuit_breaker(ignore = #every)] #[bulkhead(max = 5)]),
            quote!(#[circuit_breaker(ignore = #every, timeouts = ignore)] #[timeout(1s)]),
            quote!(#[circuit_breaker(adaptive, ignore = #every)]),
        ] {
            written(&futile, "nothing but a panic is a failure");
        }
        for counted in [
            quote!(#[circuit_breaker(ignore = #every)] #[timeout(1s)]),
            quote!(#[circuit_breaker(ignore = #every)] #[deadline(1s)]),
            quote!(#[circuit_breaker(ignore = #every, slow_call = 1s, timeouts = ignore)]),
            quote!(#[circuit_breaker(failure = Ok(0), ignore = #every)]),
            // Others that share it may open it.
            quote!(#[circuit_breaker(PAYMENTS, ignore = #every)]),
        ] {
            sound(&counted);
        }
    }
    sound(&quote!(#[retry(idempotent, not_on = _ if sometimes())]));
}

#[test]
fn what_is_written_has_an_effect() {
    written(&quote!(#[circuit_breaker(slow_rate = 50%)]), "`slow_rate` needs `slow_call`");
    written(&quote!(#[circuit_breaker(slow_rate = 60%)]), "`slow_rate` needs `slow_call`");
    written(&quote!(#[rate_limited(1/s, max_keys = 10000)]), "`max_keys` bounds the values of `key`");
    written(&quote!(#[rate_limited(1/s, max_keys = 10)]), "`max_keys` bounds the values of `key`");
    written(&quote!(#[rate_limited(10/s, burst = 5, cost = 6)]), "never fits a burst of 5");
    written(&quote!(#[rate_limited(10/s, cost = 11)]), "never fits a burst of 10");
    written(&quote!(#[rate_limited(10/s, cost = 0)]), "never limited");
    written(&quote!(#[rate_limited(10/s, cost = "2")]), "a cost is a whole number");
    written(&quote!(#[bulkhead(queue = 5)]), "`bulkhead` needs `max`");
    written(&quote!(#[bulkhead(max = 5, max_wait = 1s)]), "nobody waits without a queue");
    written(&quote!(#[hardened(name = " ")]), "a name says something");
    written(&quote!(#[hardened(span_fields(skus))]), "did you mean `sku`?");
    written(&quote!(#[hardened(span_fields(sku.len()))]), "a field of one");
}

#[test]
fn a_constant_depends_on_no_call() {
    written(&quote!(#[timeout(limits::of(sku))]), "cannot depend on `sku`");
    one(
        quote!(
            #[timeout(T::LIMIT)]
            async fn f<T: Limit>(t: T) -> R {
                Ok(())
            }
        ),
        "cannot depend on `T`",
    );
    one(
        quote!(
            #[retry(idempotent, backoff = 1s..Self::CAP)]
            async fn f(&self) -> R {
                Ok(())
            }
        ),
        "depend on `Self`",
    );
}

#[test]
fn refusing_attributes_need_a_result() {
    for output in [
        quote!(u32),
        quote!((A, B)),
        quote!(&str),
        quote!([u8; 4]),
        quote!(impl IntoResponse),
        quote!(String),
        quote!(std::vec::Vec<u8>),
        quote!(Option<Price>),
        quote!(!),
    ] {
        one(quote!(#[timeout(1s)] async fn f() -> #output { x() }), "needs a `Result` here");
    }
    one(
        quote!(
            #[timeout(1s)]
            #[bulkhead(max = 1)]
            async fn f() {}
        ),
        "`timeout` and `bulkhead` refuse",
    );
    for output in [quote!(Reply<u32>), quote!(io::Result<()>), quote!(crate::Option)] {
        assert_eq!(messages(quote!(#[timeout(1s)] async fn f() -> #output { x() })), [""; 0]);
    }
}

#[test]
fn only_asynchronous_functions_are_hardened() {
    one(
        quote!(
            #[timeout(1s)]
            fn f() -> R {
                Ok(())
            }
        ),
        "write `async fn f`",
    );
    one(
        quote!(
            #[hardened]
            fn f() -> BoxFuture<'static, R> {
                async move { Ok(()) }.boxed()
            }
        ),
        "write `async fn f`",
    );
    one(
        quote!(
            #[timeout(1s)]
            async fn f(&self) -> R;
        ),
        "needs a body",
    );
    let stray = crate::attribute::policy(
        &hardening_spec::keys::TIMEOUT,
        quote!(1s),
        &quote!(
            struct S;
        ),
    )
    .to_string();
    assert!(stray.starts_with("struct S ;") && stray.contains("stands on an `async fn`"), "{stray}");
}

#[test]
fn a_repeated_body_returns_no_exclusive_borrow() {
    for signature in [
        quote!(f<'a>(x: &'a mut Vec<u8>) -> Result<&'a u8, Error>),
        quote!(f(x: &mut Vec<u8>) -> Result<&u8, Error>),
        quote!(f(&mut self, x: &u8) -> Result<&u8, Error>),
        quote!(f(x: &mut Vec<u8>) -> Result<Iter<'_>, Error>),
    ] {
        one(quote!(#[retry(idempotent)] async fn #signature { go() }), "the returned value borrows from");
    }
    for signature in [
        quote!(f<'a>(x: &'a u8, y: &mut u8) -> Result<&'a u8, Error>),
        quote!(f(&self, y: &mut u8) -> Result<&u8, Error>),
        quote!(f(y: &mut u8) -> Result<&'static u8, Error>),
    ] {
        assert_eq!(messages(quote!(#[retry(idempotent)] async fn #signature { go() })), [""; 0]);
    }
}

#[test]
fn all_mistakes_come_together_beside_the_function_with_its_imports_used() {
    let source = quote! {
        #[retry(attempts = 0, backoff = 1)]
        #[timeout(4s)]
        #[deadline(3s)]
        #[inline]
        #[bulkhead(mx = 1)]
        pub async fn f() -> u32 { 1 }
    };
    assert_eq!(messages(source.clone()).len(), 6);
    let text = formatted(&expand(source));
    let kept = "#[inline]\npub async fn f() -> u32 {\n    ::hardening::__private::siblings!(deadline, timeout, bulkhead);\n    1\n}\n";
    assert!(text.starts_with(kept), "{text}");
}

#[test]
fn a_value_or_key_that_is_not_known_is_met_with_what_to_write() {
    written(&quote!(#[bulkhead(10)]), "write `max = 10`. Its keys are");
    written(&quote!(#[retry(3, idempotent)]), "write `attempts = 3`");
    written(
        &quote!(#[hardened("price")]),
        "write `name = \"price\"`. Its keys are `name`, `span_fields`, `level`, `requires`, `fallback`",
    );
    written(&quote!(#[timeout(within = 1s)]), "`timeout` has no key `within`: write `#[timeout(500ms)]`");
    written(
        &quote!(#[fallback(x(), on_rejected = (timeout, full))]),
        "`on_rejected` knows no `full`; the kinds are",
    );
    written(&quote!(#[fallback(x(), on_rejected = (timeout, timeout))]), "named twice");
    written(&quote!(#[bulkhead(max = 1)] #[timeout = "1s"]), "write `#[timeout(1s)]`");
    written(&quote!(#[bulkhead(max = 1)] #[hardened = "price"]), "write `#[hardened(name = …)]`");
}

#[test]
fn a_key_with_another_sign_than_an_equals_sign_is_told_to_have_one() {
    written(&quote!(#[retry(attempts: 3, idempotent)]), "write `attempts = …`");
    written(&quote!(#[bulkhead(max: 10)]), "write `max = …`");
    written(&quote!(#[bulkhead(max == 10)]), "write `max = …`");
}
