//! How the arguments of a function get into its body's block: moved as a whole, so that the block is `Send` where a plain
//! body is and drops them where a plain body does, and copied first where they are needed again.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::visit_mut::VisitMut;
use syn::{Attribute, FnArg, Pat, PatIdent, PatType, Signature, Token};

use super::receiver;
use crate::arguments::{self, Passing, cfgs, expects_of_binding, of_binding, visit};
use crate::paths::{emit, ours_at, private_at};
use crate::words::Words;

/// What mentions the arguments.
pub(super) struct Mentions {
    /// The body.
    pub(super) inside: Words,
    /// Everything else that the user wrote: keys, costs, fields, and `after`.
    pub(super) outside: Words,
    /// What runs once the body has begun: patterns and the fallback.
    pub(super) after: Words,
    /// Whether the body may run more than once.
    pub(super) repeats: bool,
    /// Whether the body may outlive its caller.
    pub(super) outlives: bool,
    /// Whether a closure makes one body after another.
    pub(super) side_by_side: bool,
}

impl Mentions {
    /// Whether the body uses an argument that something after it needs too.
    fn needed_again(&self, name: &Ident) -> bool {
        self.inside.mention(name) && (self.repeats || self.after.mention(name))
    }
}

/// Statements that hand the arguments over.
#[derive(Default)]
pub(super) struct Handover {
    /// Before the block: what each run of the body gets anew.
    pub(super) copies: TokenStream,
    /// At the beginning of the block: the arguments as they were written.
    pub(super) moves: TokenStream,
    /// Copies for a closure that makes many blocks, of what is needed after it too.
    pub(super) kept: TokenStream,
    /// Copies of everything owned that the body or the patterns use, under the same names; where a run may outlive its caller.
    pub(super) owned: TokenStream,
    /// Whether something after the block means an argument that `copies` shadow.
    pub(super) shadows: bool,
}

/// Adds statements; the first are taken as they are.
fn add(statements: &mut TokenStream, more: TokenStream) {
    if statements.is_empty() {
        *statements = more;
    } else {
        statements.extend(more);
    }
}

impl Handover {
    /// Plans it. The signature keeps its names; those that the block binds anew get a hygiene of ours there, so that the
    /// binding in the block is the one that the compiler judges.
    pub(super) fn plan(sig: &mut Signature, mentions: &Mentions) -> Self {
        let mut handover = Self::default();
        let function = context(sig.fn_token.span);
        let mut taken = Vec::new();
        for (at, argument) in sig.inputs.iter_mut().enumerate() {
            let FnArg::Typed(typed) = argument else { continue };
            if handover.move_whole(at, typed, mentions, &mut taken) {
                continue;
            }
            let (cfg, attrs) = (cfgs(&typed.attrs), of_binding(&typed.attrs));
            let mut bound = false;
            visit(&mut typed.pat, &typed.ty, &mut |name, passing| {
                let function = function.as_deref();
                let argument = Argument { name, passing, cfg: &cfg, attrs: &attrs, function };
                bound |= handover.add(argument, mentions, &mut taken);
            });
            if bound {
                typed.attrs.retain(|attr| !expects_of_binding(attr));
            }
        }
        handover
    }

    /// Moves an argument before it is taken apart, as a plain body does, where its pattern leaves something of it behind.
    fn move_whole(
        &mut self,
        at: usize,
        typed: &mut PatType,
        mentions: &Mentions,
        taken: &mut Vec<String>,
    ) -> bool {
        if mentions.repeats || !leaves_something(&typed.pat) {
            return false;
        }
        let mut outside = false;
        visit(&mut typed.pat.clone(), &typed.ty, &mut |name, _| {
            outside |= mentions.outside.mention(&name.ident);
        });
        if outside {
            return false;
        }
        let (cfg, attrs, pat) = (cfgs(&typed.attrs), of_binding(&typed.attrs), &typed.pat);
        let whole = unique(&Ident::new(&format!("argument{at}"), Span::mixed_site()), taken);
        let apart = (!matches!(**pat, Pat::Wild(_))).then(|| quote!(#(#attrs)* let #pat = #whole;));
        let mutable = borrows_exclusively(&typed.pat).then(|| emit!(mut));
        self.moves.extend(emit!(#(#cfg)* let #mutable #whole = #whole;));
        if mentions.outlives {
            let copy = copy(&whole, Passing::Owned).0;
            self.owned.extend(emit!(#(#cfg)* let #whole = #copy;));
        }
        self.moves.extend(apart);
        typed.attrs.retain(|attr| !expects_of_binding(attr));
        *typed.pat = syn::parse_quote!(#whole);
        true
    }

    /// Adds one name; says whether the block binds it anew.
    fn add(&mut self, argument: Argument, mentions: &Mentions, taken: &mut Vec<String>) -> bool {
        let Argument { name, passing, cfg, attrs, function } = argument;
        let written = name.ident.clone();
        let (inside, outside) = (mentions.inside.mention(&written), mentions.outside.mention(&written));
        let after = mentions.after.mention(&written);
        let mutable = name.mutability.filter(|_| name.by_ref.is_none());
        let copied = passing != Passing::Copied && mentions.needed_again(&written);
        let moved = match passing {
            Passing::Copied | Passing::Exclusive => mutable.is_some(),
            Passing::Owned | Passing::Optional | Passing::Pinned => true,
        };
        let owned = mentions.outlives && passing == Passing::Owned && name.by_ref.is_none();
        if !copied && (!moved || after || name.by_ref.is_some() || (mentions.repeats && !inside)) {
            if owned && (inside || after) {
                let (copy, again) = (copy(&written, passing).0, again(&written, function));
                self.owned.extend(emit!(#(#cfg)* let #again = #copy;));
            }
            return false;
        }
        let mut ours = unique(&written, taken);
        ours.set_span(ours_at(written.span()));
        // Where other code needs the user's name in the signature, a copy under that name is marked as an expansion's.
        let (from, to) = if outside {
            (written.clone(), again(&written, function))
        } else {
            (ours.clone(), written.clone())
        };
        name.ident = from.clone();
        if owned {
            let again = if outside { &to } else { &from };
            let copy = copy(&from, passing).0;
            self.owned.extend(emit!(#(#cfg)* let #again = #copy;));
        }
        name.mutability = name.mutability.filter(|_| name.by_ref.is_some());
        if copied {
            let (copy, needs_mut) = copy(&from, passing);
            // The fallback may change its own.
            if needs_mut || (after && mutable.is_some()) {
                name.mutability = Some(Token![mut](Span::mixed_site()));
            }
            self.shadows |= after;
            let span = ours_at(written.span());
            // Lints judge the last binding.
            let (bound, attrs) = if mutable.is_some() { (&ours, cfg) } else { (&to, attrs) };
            add(&mut self.copies, quote_spanned!(span=> #(#attrs)* let #bound = #copy;));
            if after {
                self.kept.extend(quote_spanned!(span=> #(#cfg)* let #to = #copy;));
            }
        }
        if !copied || mutable.is_some() {
            let start = mutable.map_or(written.span(), |mutable| mutable.span);
            // A key was made of it before, and the block drops it where a plain body does.
            let given = if copied { &ours } else { &from };
            add(&mut self.moves, quote_spanned!(start=> #(#attrs)* let #mutable #to = #given;));
        }
        true
    }

    /// Does the same for `self`. It cannot be bound anew, so its copy is called `this`, also in `body`.
    pub(super) fn with_receiver(
        mut self,
        sig: &mut Signature,
        boxed: bool,
        mentions: &Mentions,
        body: TokenStream,
    ) -> (Self, TokenStream) {
        let passing = arguments::receiver(sig).filter(|passing| *passing != Passing::Copied);
        let (Some(passing), Some(FnArg::Receiver(receiver))) = (passing, sig.inputs.first_mut()) else {
            return (self, body);
        };
        let itself = Ident::new("self", receiver.self_token.span);
        if !mentions.needed_again(&itself) {
            // A block takes the fields that it names; a plain body keeps `self` whole until it ends.
            if passing == Passing::Owned && !boxed && mentions.inside.mention(&itself) {
                let moves = &self.moves;
                self.moves = emit!(let _ = &#itself; #moves);
            }
            return (self, body);
        }
        let span = ours_at(itself.span());
        let this = Ident::new("this", span);
        let (copy, needs_mut) = copy(&itself, passing);
        let mutable = receiver.mutability.take();
        if needs_mut || (mutable.is_some() && mentions.after.mention(&itself)) {
            receiver.mutability = Some(Token![mut](Span::mixed_site()));
        }
        let (mut from, copies) = (copy.clone(), &self.copies);
        if mentions.after.mention(&itself) && mentions.side_by_side {
            let kept = &self.kept;
            self.kept = quote_spanned!(span=> let #this = #copy; #kept);
            from = self::copy(&this, passing).0;
        }
        self.copies = quote_spanned!(span=> let #mutable #this = #from; #copies);
        (self, receiver::rename(body, &this))
    }
}

/// One name that an argument binds.
struct Argument<'a> {
    name: &'a mut PatIdent,
    passing: Passing,
    cfg: &'a [Attribute],
    /// Those, and the levels of lints.
    attrs: &'a [Attribute],
    /// The syntax context of the function itself.
    function: Option<&'a str>,
}

/// What each run of the body gets in an argument's place, and whether the argument has to be `mut` for it.
fn copy(from: &Ident, passing: Passing) -> (TokenStream, bool) {
    let (private, span) = (private_at(from.span()), ours_at(from.span()));
    match passing {
        // A missing `Clone` is shown at the argument.
        Passing::Owned | Passing::Copied => {
            (quote_spanned!(span=> #private::replay(&#from).for_attempt()), false)
        }
        Passing::Exclusive => (quote_spanned!(span=> &mut *#from), false),
        Passing::Optional => (quote_spanned!(span=> ::core::option::Option::as_deref_mut(&mut #from)), true),
        Passing::Pinned => (quote_spanned!(span=> ::core::pin::Pin::as_mut(&mut #from)), true),
    }
}

/// Whether a pattern binds by `ref mut`.
fn borrows_exclusively(pat: &Pat) -> bool {
    struct Borrows(bool);
    impl VisitMut for Borrows {
        fn visit_pat_ident_mut(&mut self, name: &mut PatIdent) {
            self.0 |= name.by_ref.is_some() && name.mutability.is_some();
            syn::visit_mut::visit_pat_ident_mut(self, name);
        }
    }
    let mut borrows = Borrows(false);
    borrows.visit_pat_mut(&mut pat.clone());
    borrows.0
}

/// Whether taking a value apart by this pattern leaves something of it behind, or borrows from it.
fn leaves_something(pat: &Pat) -> bool {
    struct Leaves(bool);
    impl VisitMut for Leaves {
        fn visit_pat_mut(&mut self, pat: &mut Pat) {
            self.0 |= match pat {
                Pat::Wild(_) | Pat::Rest(_) => true,
                Pat::Struct(fields) => fields.rest.is_some(),
                Pat::Ident(name) => name.by_ref.is_some(),
                _ => false,
            };
            syn::visit_mut::visit_pat_mut(self, pat);
        }
    }
    let mut leaves = Leaves(false);
    leaves.visit_pat_mut(&mut pat.clone());
    leaves.0
}

/// What expansions bind around the body. An argument that is moved in under a name of ours must have another one.
const BOUND: [&str; 27] = [
    "__hardening",
    "again",
    "answer",
    "begin",
    "begun",
    "call",
    "charges",
    "error",
    "found",
    "handed",
    "handed_text",
    "held",
    "key",
    "key_size",
    "load",
    "looked",
    "matched",
    "negative",
    "outcome",
    "rest",
    "result",
    "settled",
    "this",
    "ticket",
    "value",
    "verdict",
    "wanted",
];

/// A name that no other argument has, nor anything around the body: names of different macros may look alike.
fn unique(name: &Ident, taken: &mut Vec<String>) -> Ident {
    let mut text = name.to_string();
    let is_taken = |text: &String| BOUND.contains(&&**text) || taken.contains(text);
    if !is_taken(&text) {
        taken.push(text);
        return name.clone();
    }
    while is_taken(&text) {
        text.push('_');
    }
    taken.push(text.clone());
    Ident::new(text.trim_start_matches("r#"), name.span())
}

/// The same name once more, marked as an expansion's, so that lints on shadowing leave it alone. A name that came from
/// another macro than the function keeps its own context, without which it would be another name.
fn again(name: &Ident, function: Option<&str>) -> Ident {
    let mut name = name.clone();
    if context(name.span()).as_deref() == function {
        name.set_span(Span::call_site().located_at(name.span()));
    }
    name
}

/// The syntax context of a span, as far as the compiler shows it: `#0 bytes(…)`.
fn context(span: Span) -> Option<String> {
    let shown = format!("{span:?}");
    shown.split_once(' ').map(|(context, _)| context.to_owned()).filter(|context| context.starts_with('#'))
}
