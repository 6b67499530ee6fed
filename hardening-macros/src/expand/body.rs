//! The user's body inside a fresh `async` block, with what a repeated body has to be given anew.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Signature, Type};

use crate::arguments::{Passing, bindings, receiver, without_mut};
use crate::function::{Form, with_stream};
use crate::model::Call;
use crate::paths::{emit, ours_at, private, private_at};
use crate::words::Words;

/// `async { anchor; copies; the body as written }`.
pub(super) struct Body {
    block: Group,
    anchor: TokenStream,
    copies: TokenStream,
    written: TokenStream,
}

impl Body {
    /// Prepares the body of `sig`; `mut` moves from an argument to its copy.
    pub(super) fn new(sig: &mut Signature, form: &Form, call: &Call) -> Self {
        let inside = Words::of(form.body.clone());
        let after = words_after(call);
        // What the body may use up is needed again by the next attempt, or by what comes after the body.
        let needed_again = |name: &Ident| inside.mention(name) && (call.repeats() || after.mention(name));
        let mut copies = TokenStream::new();
        let mut written = form.body.clone();
        let itself = Ident::new("self", Span::call_site());
        match receiver(sig) {
            Some(Passing::Owned) if needed_again(&itself) => {
                let span = sig.receiver().map_or_else(Span::call_site, |receiver| receiver.self_token.span);
                let this = Ident::new("this", ours_at(span));
                let mutable = sig.receiver().and_then(|receiver| receiver.mutability);
                let replayed = replayed(&itself, span);
                copies.extend(quote_spanned!(ours_at(span)=> let #mutable #this = #replayed;));
                written = rename_self(written, &this);
            }
            Some(Passing::Exclusive) if form.is_boxed() && needed_again(&itself) => {
                written = reborrow_self(written);
            }
            _ => {}
        }
        for binding in bindings(sig).into_iter().filter(|binding| needed_again(&binding.ident)) {
            let (name, cfg) = (&binding.ident, &binding.cfg);
            let mutable = binding.mutable.then(|| quote!(mut));
            let span = ours_at(name.span());
            let copy = match binding.passing {
                Passing::Shared => continue,
                Passing::Owned => replayed(name, name.span()),
                Passing::Exclusive => quote_spanned!(span=> &mut *#name),
            };
            copies.extend(quote_spanned!(span=> #(#cfg)* let #mutable #name = #copy;));
        }
        without_mut(sig, needed_again);
        Self { block: form.block.clone(), anchor: anchor(call), copies, written }
    }

    /// Ties the block's type to the function's, so that a wrong value is reported where it stands.
    pub(super) fn anchor(&self) -> &TokenStream {
        &self.anchor
    }
}

impl ToTokens for Body {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { block, anchor, copies, written } = self;
        // Else an empty body's last expression would be the anchor, and be what lacks a value.
        let end = written.is_empty().then(|| emit!(;));
        let mut block = with_stream(block, emit!(#anchor #copies #written #end));
        // The place is the user's; the block is ours, or lints would speak of what we put in front.
        block.set_span(ours_at(block.span()));
        tokens.extend(emit!(async #block));
    }
}

/// Everything of the user's that runs after the body has begun.
fn words_after(call: &Call) -> Words {
    let mut words = Words::default();
    let Some(judged) = call.judged() else { return words };
    for judgement in &judged.judgements {
        words.add(judgement.pattern.to_token_stream());
    }
    words.add(judged.retry_after.to_token_stream());
    if let Some(fallback) = &judged.fallback {
        words.add(fallback.value.to_token_stream());
        words.add(fallback.on.to_token_stream());
        words.add(fallback.not_on.to_token_stream());
    }
    words
}

/// A `return` of the function's own type that never runs.
fn anchor(call: &Call) -> TokenStream {
    match call.output.as_ref() {
        None => emit!(if false {
            return;
        }),
        Some(Type::Never(_)) => TokenStream::new(),
        Some(output) => {
            let (private, output) = (private(), super::output::inside(call, output));
            emit! {
                if false {
                    return #private::anchor::<#output>();
                }
            }
        }
    }
}

/// `replay(&name)`, so that a missing `Clone` is shown at the argument.
fn replayed(name: &Ident, span: Span) -> TokenStream {
    let private = private_at(span);
    quote_spanned!(ours_at(span)=> #private::replay(&#name).another())
}

/// `self` → `this` throughout, except in paths and inside items that have a `self` of their own.
fn rename_self(tokens: TokenStream, this: &Ident) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut in_item = false;
    while let Some(token) = tokens.next() {
        let token = match token {
            TokenTree::Ident(name) if name == "self" => {
                let is_path =
                    matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
                if is_path {
                    TokenTree::Ident(name)
                } else {
                    Ident::new("this", this.span().located_at(name.span())).into()
                }
            }
            TokenTree::Ident(name) => {
                in_item |= name == "impl" || name == "trait";
                TokenTree::Ident(name)
            }
            TokenTree::Group(group) if in_item && group.delimiter() == Delimiter::Brace => {
                in_item = false;
                TokenTree::Group(group)
            }
            TokenTree::Group(group) => {
                let stream = rename_self(group.stream(), this);
                TokenTree::Group(with_stream(&group, stream))
            }
            TokenTree::Punct(semicolon) => {
                in_item &= semicolon.as_char() != ';';
                TokenTree::Punct(semicolon)
            }
            other @ TokenTree::Literal(_) => other,
        };
        renamed.extend([token]);
    }
    renamed
}

/// `let __self = self;`, as `#[async_trait]` writes it, → `let __self = &mut *self;`.
fn reborrow_self(tokens: TokenStream) -> TokenStream {
    let mut reborrowed = TokenStream::new();
    let mut before = [None, None];
    for token in tokens {
        let text = match &token {
            TokenTree::Ident(name) => name.to_string(),
            TokenTree::Punct(punct) => punct.to_string(),
            _ => String::new(),
        };
        let is_binding = before == [Some("__self".to_owned()), Some("=".to_owned())];
        if is_binding && text == "self" {
            reborrowed.extend(emit!(&mut *));
        }
        let [_, last] = before;
        before = [last, Some(text)];
        reborrowed.extend([token]);
    }
    reborrowed
}
