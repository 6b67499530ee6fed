//! Each form of a value, as it stands in the specification.

use proc_macro2::TokenStream;
use quote::quote;

use super::{expand, messages};

/// The policies in an expansion's specification, without paths and blanks.
fn specification(attribute: &TokenStream) -> String {
    let text = expand(quote!(#attribute async fn f(a: u8) -> Result<(), Error> { Ok(()) })).to_string();
    let text = text.replace(' ', "").replace("__hardening::", "").replace("::core::option::Option::", "");
    let from = text.find("CallSpec::NONE.with_").expect("a specification") + "CallSpec::NONE.with_".len();
    let to = text.find(");register!").expect("its end");
    text[from..to].replace("::core::time::Duration::", "")
}

#[test]
fn durations() {
    for (written, expected) in [
        (quote!(250ms), "from_millis(250)"),
        (quote!(5m), "from_secs(300)"),
        (quote!("1m30s"), "from_secs(90)"),
        (quote!(1m30s), "from_secs(90)"),
        (quote!(1_000us), "from_millis(1)"),
        (quote!(crate::LIMIT), "crate::LIMIT"),
        (quote!(Duration::from_secs(1)), "Duration::from_secs(1)"),
        (quote!(after = 2s), "from_secs(2)"),
        (handed_over(quote!("3s")), "from_secs(3)"),
    ] {
        assert_eq!(specification(&quote!(#[timeout(#written)])), format!("timeout({expected})"));
    }
}

#[test]
fn numbers_of_a_retry() {
    for (written, expected) in [
        (quote!(attempts = 5), "attempts(5)"),
        (quote!(backoff = 100ms), "backoff(DurationRange::millis(100,100))"),
        (quote!(backoff = 50ms..2s), "backoff(DurationRange::millis(50,2000))"),
        (quote!(backoff = 50ms..crate::CAP), "backoff(DurationRange::new(from_millis(50),crate::CAP))"),
        (quote!(factor = 2), "factor(2.0)"),
        (quote!(factor = 1.5), "factor(1.5)"),
        (quote!(jitter = decorrelated), "jitter(Jitter::Decorrelated)"),
        (quote!(budget = none), "budget(None)"),
        (quote!(budget = 12.5%), "budget(Some(Ratio::millionths(125000)))"),
        (quote!(max_duration = 10s), "max_duration(from_secs(10))"),
        (quote!(on = Error::Io(_)), "narrowed(true)"),
    ] {
        let expected = format!("retry(RetrySpec::DEFAULT.with_{expected}.with_idempotent(true))");
        assert_eq!(specification(&quote!(#[retry(#written, idempotent)])), expected);
    }
}

#[test]
fn numbers_of_a_breaker() {
    for (written, expected) in [
        (quote!(failure_rate = 50%), "failure_rate(Ratio::percent(50))"),
        (quote!(failure_rate = 0.25), "failure_rate(Ratio::percent(25))"),
        (quote!(window = 10s), "window(Window::secs(10))"),
        (quote!(window = 100), "window(Window::Calls(100))"),
        (quote!(window = WINDOW), "window(Window::Time(WINDOW))"),
        (quote!(consecutive = 5), "consecutive(5)"),
        (quote!(open_for = 5s..60s), "open_for(DurationRange::secs(5,60))"),
        (quote!(timeouts = ignore), "timeouts(false)"),
    ] {
        let expected = format!("circuit_breaker(CircuitBreakerSpec::DEFAULT.with_{expected})");
        assert_eq!(specification(&quote!(#[circuit_breaker(#written)])), expected);
    }
    assert_eq!(specification(&quote!(#[circuit_breaker])), "circuit_breaker(CircuitBreakerSpec::DEFAULT)");
}

#[test]
fn rates_and_limits() {
    for (written, rate) in [
        (quote!(100 / s), "per_secs(100,1)"),
        (quote!(600 / min), "per_secs(600,60)"),
        (quote!(5000 / h), "per_secs(5000,3600)"),
        (quote!(10 / 250ms), "per_millis(10,250)"),
        (quote!("10/250ms"), "per_millis(10,250)"),
    ] {
        let expected = format!("rate_limited(RateLimitSpec::new(Rate::{rate}))");
        assert_eq!(specification(&quote!(#[rate_limited(#written)])), expected);
    }
    assert_eq!(
        specification(&quote!(#[rate_limited(1/s, burst = 3, wait = 1s, per = attempt)])),
        "rate_limited(RateLimitSpec::new(Rate::per_secs(1,1)).with_burst(3).with_wait(from_secs(1))\
         .with_per(Per::Attempt))"
    );
    assert_eq!(
        specification(&quote!(#[bulkhead(max = 3, queue = 0)])),
        "bulkhead(BulkheadSpec::new(3).with_queue(0))"
    );
}

#[test]
fn keys_come_from_the_context_unless_an_argument_has_their_name() {
    let begin = |key: TokenStream, argument: TokenStream| {
        let source = quote!(#[rate_limited(1/s, key = #key)] async fn f(#argument: u8) -> Result<(), Error> { Ok(()) });
        expand(source).to_string().replace(' ', "").replace("__hardening::", "")
    };
    assert!(begin(quote!(tenant), quote!(a)).contains("Charge::keyed(&context::tenant(),1)"));
    assert!(begin(quote!(tenant), quote!(tenant)).contains("Charge::keyed(key(&tenant).hashed_key(),1)"));
    assert!(
        begin(quote!((a, f(a))), quote!(a))
            .contains("Charge::keyed(&(key(&a).hashed_key(),key(&f(a)).hashed_key(),),1)")
    );
    assert!(begin(quote!(a + 1), quote!(a)).contains("Charge::keyed(key(&(a+1)).hashed_key(),1)"));
    assert!(
        begin(quote!(pair::<u8, u8>(a, 1)), quote!(a))
            .contains("Charge::keyed(key(&pair::<u8,u8>(a,1)).hashed_key(),1)")
    );
}

#[test]
fn malformed_values_say_the_form() {
    for (attribute, part) in [
        (quote!(#[timeout(500)]), "`500` has no unit"),
        (quote!(#[timeout(1.5s)]), "no fraction"),
        (quote!(#[timeout(-1s)]), "negative"),
        (quote!(#[timeout(true)]), "not a duration"),
        (quote!(#[timeout("5 parsec")]), "such as `250ms`"),
        (quote!(#[timeout(1s, 2s)]), "takes one value"),
        (quote!(#[retry(idempotent, attempts = 2.5)]), "whole number"),
        (quote!(#[retry(idempotent, attempts = -3)]), "`-3` is negative"),
        (quote!(#[retry(idempotent, attempts = 99999999999)]), "more than 4294967295"),
        (quote!(#[retry(idempotent, factor = -1)]), "negative"),
        (quote!(#[retry(idempotent, jitter = fully)]), "did you mean `full`?"),
        (quote!(#[retry(idempotent, jitter = "full")]), "without quotes"),
        (quote!(#[retry(idempotent, jitter = -1)]), "one of `full`"),
        (quote!(#[retry(idempotent, backoff = 2s..1s)]), "write `1s..2s`"),
        (quote!(#[retry(idempotent = yes)]), "write the name alone"),
        (quote!(#[retry(idempotent, attempts)]), "`attempts` needs a value"),
        (quote!(#[retry(idempotent, attempts = )]), "`attempts` needs a value"),
        (quote!(#[retry(idempotent, backoff(1s))]), "write `backoff = …`"),
        (quote!(#[retry(idempotent, 3)]), "no value without a name"),
        (quote!(#[retry(idempotent, idempotent)]), "given twice"),
        (quote!(#[circuit_breaker(failure_rate = 101%)]), "between 0 and 100 %"),
        (quote!(#[circuit_breaker(failure_rate = -0.1)]), "between 0 and 100 %"),
        (quote!(#[circuit_breaker(failure_rate = 1.1)]), "write `1.1%`"),
        (quote!(#[circuit_breaker(failure_rate = NaN)]), "a ratio such as `50%`"),
        (quote!(#[circuit_breaker(window = -1)]), "window"),
        (quote!(#[rate_limited(0/s)]), "at least 1"),
        (quote!(#[rate_limited(10)]), "such as `100/s`"),
        (quote!(#[rate_limited(10/s, scope = shared)]), "`scope` takes `local`"),
        (quote!(#[bulkhead(max = "10")]), "whole number"),
        (quote!(#[fallback(Ok(()), on_rejected = (timeout, timeout))]), "named twice"),
        (quote!(#[fallback(Ok(()), on_rejected = ())]), "at least one"),
        (quote!(#[hardened(name = price)]), "a string such as"),
        (quote!(#[hardened(timeout = 500)]), "has no unit"),
    ] {
        let shown = attribute.to_string();
        let found = messages(quote!(#attribute async fn f() -> Result<(), Error> { Ok(()) }));
        assert_eq!(found.len(), 1, "{shown}: {found:?}");
        assert!(found[0].contains(part), "{shown}: {found:?}");
    }
}

/// A value as the argument of a `macro_rules!` arrives.
fn handed_over(value: TokenStream) -> TokenStream {
    proc_macro2::TokenTree::from(proc_macro2::Group::new(proc_macro2::Delimiter::None, value)).into()
}
