//! An expansion as text, for snapshots and `cargo xtask expand`.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};

/// A function that stands in the place of `pin!`, whose argument is then formatted as the expression that it is.
const STAND_IN: &str = "pin_macro";

/// The tokens with `pin!(…)` as a call.
pub(crate) fn with_calls(tokens: TokenStream) -> TokenStream {
    let mut shown: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                if let [.., TokenTree::Ident(name), TokenTree::Punct(bang)] = &*shown
                    && name == "pin"
                    && bang.as_char() == '!'
                {
                    let span = name.span();
                    shown.truncate(shown.len() - 2);
                    shown.push(Ident::new(STAND_IN, span).into());
                }
                let mut inside = Group::new(group.delimiter(), with_calls(group.stream()));
                inside.set_span(group.span());
                shown.push(inside.into());
            }
            other => shown.push(other),
        }
    }
    shown.into_iter().collect()
}

/// The formatted text of [`with_calls`] with `pin!(…)` as it is.
pub(crate) fn with_macros(text: &str) -> String {
    text.replace(&format!("{STAND_IN}("), "pin!(")
}
