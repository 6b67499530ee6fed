//! Keys in an expansion: each member is owned, or hashed, where it stands.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use crate::model::Key;
use crate::paths::{emit, ours_at, private, private_at};

/// The owned form of a key; `borrowed` are arguments whose type shows that it borrows, and has to have an owned form.
pub(super) fn owned(key: &Key, borrowed: &[String]) -> TokenStream {
    match key {
        Key::Context(word) => context(word),
        Key::Expression(key) => each(key, &|member| match member {
            Expr::Path(path)
                if path.path.get_ident().is_some_and(|name| borrowed.iter().any(|known| name == known)) =>
            {
                "borrowed_key"
            }
            _ => "owned_key",
        }),
    }
}

/// A reference to what a key hashes.
pub(super) fn hashed(key: &Key) -> TokenStream {
    match key {
        Key::Context(word) => {
            let word = context(word);
            emit!(&#word)
        }
        Key::Expression(key) => hashed_value(key),
    }
}

/// The same for an expression.
pub(super) fn hashed_value(key: &Expr) -> TokenStream {
    let each = each(key, &|_| "hashed_key");
    if is_tuple(key) { emit!(&#each) } else { each }
}

fn context(word: &proc_macro2::Ident) -> TokenStream {
    let private = private();
    emit!(#private::context::#word())
}

/// `(key(&sku).owned_key(), key(&order.id).owned_key())`: a tuple that is written out is no value of its own, so that each of its
/// members is looked at and none is moved.
fn each(key: &Expr, method: &dyn Fn(&Expr) -> &'static str) -> TokenStream {
    match inner(key) {
        Expr::Tuple(tuple) => {
            let members = tuple.elems.iter().map(|member| each(member, method));
            emit!((#(#members,)*))
        }
        member => {
            let at = ours_at(last_span(member));
            let private = private_at(at);
            let method = syn::Ident::new(method(member), at);
            let value = if binds_tighter_than_a_reference(member) {
                quote_spanned!(at=> &#member)
            } else {
                quote_spanned!(at=> &(#member))
            };
            quote_spanned!(at=> #private::key(#value).#method())
        }
    }
}

fn is_tuple(key: &Expr) -> bool {
    matches!(inner(key), Expr::Tuple(_))
}

/// What parentheses hold, and the tuple behind a reference.
fn inner(key: &Expr) -> &Expr {
    match key {
        Expr::Paren(inside) => inner(&inside.expr),
        Expr::Group(inside) => inner(&inside.expr),
        Expr::Reference(reference) if is_tuple(&reference.expr) => inner(&reference.expr),
        other => other,
    }
}

/// The place of the last token: in `order.price`, that of the member.
fn last_span(key: &Expr) -> proc_macro2::Span {
    key.to_token_stream().into_iter().last().map_or_else(|| key.span(), |token| token.span())
}

fn binds_tighter_than_a_reference(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Path(_)
            | Expr::Field(_)
            | Expr::MethodCall(_)
            | Expr::Call(_)
            | Expr::Lit(_)
            | Expr::Index(_)
            | Expr::Macro(_)
    )
}
