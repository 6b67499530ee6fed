//! The user's body inside a fresh `async` block, with the arguments moved into it.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Signature, Type};

use super::handover::{Handover, Mentions};
use crate::function::{Form, with_stream};
use crate::manifest;
use crate::model::{Call, Run};
use crate::paths::{emit, private};
use crate::syntax::Value;
use crate::words::{Words, is_one_of};

/// `async move { anchor; arguments; the body as written }`.
pub(super) struct Body {
    block: Group,
    anchor: TokenStream,
    handover: Handover,
    written: TokenStream,
}

impl Body {
    /// Prepares the body of `sig`, whose arguments it takes over.
    pub(super) fn new(sig: &mut Signature, form: &Form, call: &Call) -> Self {
        let after = words_after(call);
        let mut outside = words_before(call);
        outside.merge(&after);
        let mentions = Mentions {
            inside: Words::of(form.body.clone()),
            outside,
            after,
            repeats: call.repeats(),
            outlives: call.cached.as_ref().is_some_and(|cached| cached.revalidates),
            side_by_side: matches!(call.run, Run::Hedged(_)),
        };
        let handover = Handover::plan(sig, &mentions);
        let (handover, written) = handover.with_receiver(sig, form.is_boxed(), &mentions, form.body.clone());
        Self { block: form.block.clone(), anchor: anchor(call), handover, written }
    }

    /// Ties the block's type to the function's, so that a wrong value is reported where it stands.
    pub(super) fn anchor(&self) -> &TokenStream {
        &self.anchor
    }

    /// Runs the body once: `start` makes a future of ours from the pinned block, such as
    /// `call.attempt(pin!(async move { … }))`.
    pub(super) fn run(&self, start: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
        let started = start(pinned(&self.block()));
        let copies = &self.handover.copies;
        if self.handover.shadows { emit!({ #copies #started.await }) } else { emit!(#started.await) }
    }

    /// What each [`Body::run`] needs before it.
    pub(super) fn copies(&self) -> Option<&TokenStream> {
        (!self.handover.shadows).then_some(&self.handover.copies)
    }

    /// Runs the body as often as futures of ours ask for: `start` makes one from the first pinned block and a closure that
    /// makes further ones, and `others` goes on with the `rest`, once the first block is gone.
    pub(super) fn runs(
        &self,
        start: impl FnOnce(TokenStream) -> TokenStream,
        others: &TokenStream,
    ) -> TokenStream {
        let Handover { copies, kept, .. } = &self.handover;
        let block = self.block();
        let closure =
            if copies.is_empty() { emit!(move || #block) } else { emit!(move || { #copies #block }) };
        let first = pinned(&emit!(begin()));
        let (started, private) = (start(emit!(#first, begin)), private());
        emit!({
            #kept
            let begin = #closure;
            let (outcome, rest) = #started.await;
            if #private::Rest::is_over(&rest) { outcome } else { #others.await }
        })
    }

    /// Copies of what the body owns, for a run that outlives its caller.
    pub(super) fn owned(&self) -> &TokenStream {
        &self.handover.owned
    }

    fn block(&self) -> TokenStream {
        let Self { block, anchor, handover: Handover { moves, .. }, written } = self;
        // Else an empty body's last expression would be the anchor, and be what lacks a value.
        let end = written.is_empty().then(|| emit!(;));
        let own = with_stream(block, quote!(#written #end));
        let written = if !manifest::is_edition_2024() {
            // An arm ends what its last expression borrowed before the arguments end.
            emit!(match () { () => #own })
        } else if begins_with_item(written) {
            // Items come first in their block, or a lint asks for it.
            own.to_token_stream()
        } else {
            quote!(#written #end)
        };
        // It stands for the user's body, so lints and errors treat it as that.
        let block = with_stream(block, emit!(#anchor #moves #written));
        quote_spanned!(block.span()=> async move #block)
    }
}

/// Whether a body may begin with an item.
fn begins_with_item(body: &TokenStream) -> bool {
    const WORDS: [&str; 16] = [
        "use",
        "fn",
        "const",
        "static",
        "struct",
        "enum",
        "union",
        "impl",
        "mod",
        "type",
        "trait",
        "extern",
        "pub",
        "unsafe",
        "macro_rules",
        "async",
    ];
    match body.clone().into_iter().next() {
        Some(TokenTree::Ident(word)) => is_one_of(&word, &WORDS),
        Some(TokenTree::Punct(hash)) => hash.as_char() == '#',
        _ => false,
    }
}

/// Pins a future where it stands, so that no type of ours holds it.
pub(super) fn pinned(future: &TokenStream) -> TokenStream {
    let private = private();
    emit!(#private::pin!(#future))
}

/// Everything of the user's that runs before the body: keys, costs and fields.
fn words_before(call: &Call) -> Words {
    let mut words = Words::default();
    for policy in &call.policies {
        let values = policy
            .entries
            .iter()
            .filter(|entry| matches!(entry.value, Value::Expression(_) | Value::Fields(_)));
        values.for_each(|entry| words.add(entry.tokens.clone()));
    }
    words
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
