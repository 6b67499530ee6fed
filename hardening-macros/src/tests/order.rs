//! The written order never matters.

use proc_macro2::TokenStream;
use quote::quote;

use super::{expand, messages};

/// Without the `use` that keeps siblings' imports in use: the outermost attribute has no sibling's name.
fn without_imports(tokens: &TokenStream) -> String {
    let text = tokens.to_string();
    match text.split_once(":: hardening :: __private :: siblings !") {
        None => text,
        Some((before, from)) => before.to_owned() + from.split_once("; ").expect("its end").1,
    }
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        permutations(&rest).into_iter().map(move |tail| [vec![first.clone()], tail].concat())
    };
    (0..items.len()).flat_map(with_first).collect()
}

#[test]
fn every_permutation_expands_to_the_same_tokens() {
    let attributes = [
        quote!(#[retry(attempts = 3, idempotent, on = Error::Io(_))]),
        quote!(#[timeout(200ms)]),
        quote!(#[fallback(cached(&sku))]),
        quote!(#[hardening::bulkhead(max = 10, queue = 2)]),
        quote!(#[rate_limited(20/s, key = sku)]),
    ];
    let all = permutations(&attributes);
    assert_eq!(all.len(), 120);
    let expansions: std::collections::HashSet<String> = all
        .into_iter()
        .map(|attributes| {
            let source =
                quote!(#(#attributes)* async fn price(sku: String) -> Result<u32, Error> { ask(sku).await });
            without_imports(&expand(source))
        })
        .collect();
    assert_eq!(expansions.len(), 1);
}

#[test]
fn the_all_in_one_form_expands_to_the_same_tokens() {
    let body = quote!(
        async fn price(sku: String) -> Result<u32, Error> {
            ask(sku).await
        }
    );
    let stacked = quote!(#[timeout(200ms)] #[retry(idempotent)] #body);
    for one in [
        quote!(#[hardened(timeout = 200ms, retry(idempotent))] #body),
        quote!(#[hardened(retry(idempotent), timeout(200ms))] #body),
        quote!(#[timeout(after = "200ms")] #[hardened(retry(idempotent))] #body),
    ] {
        assert_eq!(without_imports(&expand(one)), without_imports(&expand(stacked.clone())));
    }
}

#[test]
fn an_all_in_one_form_collides_with_its_siblings() {
    let found = messages(quote! {
        #[timeout(1s)]
        #[hardened(timeout = 2s)]
        async fn twice() -> Result<(), Error> { Ok(()) }
    });
    assert_eq!(found, ["`timeout` is written twice: remove one of the two"]);
}

#[test]
fn rate_limits_differ_by_key_or_per() {
    let limited = |second: TokenStream| {
        messages(quote! {
            #[rate_limited(10/s, key = a)]
            #second
            async fn limited(a: u8, b: u8) -> Result<(), Error> { Ok(()) }
        })
    };
    assert_eq!(limited(quote!(#[rate_limited(20/s, key = b)])), [""; 0]);
    assert_eq!(limited(quote!(#[rate_limited(20/s, key = a, per = attempt)])), [""; 0]);
    assert!(limited(quote!(#[rate_limited(20/s, key = a, per = call)]))[0].contains("the same as another"));
    let five = (0..5_u8).map(|at| quote!(#[rate_limited(10/s, key = (a, #at))]));
    let found = messages(quote!(#(#five)* async fn f(a: u8) -> Result<(), Error> { Ok(()) }));
    assert_eq!(found, ["a function carries at most 4 rate limits"]);
}

#[test]
fn a_second_expansion_is_refused() {
    for body in [
        quote!(
            #[timeout(1s)]
            async fn twice() -> Result<(), Error> {
                Ok(())
            }
        ),
        quote! {
            #[timeout(1s)]
            fn twice() -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> { Box::pin(async move { Ok(()) }) }
        },
    ] {
        let once = expand(body);
        let found = messages(quote!(#[retry(idempotent)] #once));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("import it under its own name"), "{found:?}");
    }
}

#[test]
fn the_site_gives_way_to_a_name_of_the_body() {
    let text = expand(quote!(
        #[timeout(1s)]
        async fn f() -> Result<u8, Error> {
            Ok(SITE)
        }
    ))
    .to_string();
    assert!(text.contains("static SITE_ :") && text.contains("register ! (SITE_)"), "{text}");
}
