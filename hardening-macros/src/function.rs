//! A function as an attribute sees it: a parsed signature, and a body that stays tokens.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, FnArg, GenericArgument, Pat, PathArguments, ReturnType, Signature, Token, Type,
    TypeParamBound, Visibility,
};

use crate::arguments;
use crate::attribute::beside;
use crate::paths::emit;
use crate::refused;
use crate::words::{Words, names};

/// A function with its body unparsed, so that half-typed code still expands.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for a declaration in a trait.
    pub(crate) body: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.parse::<Option<Token![;]>>()?.is_some() {
            return Ok(Self { attrs, vis, sig, body: None });
        }
        let mut body = body(input)?;
        if body.delimiter() != Delimiter::Brace {
            return Err(syn::Error::new(body.span(), "expected a function's body"));
        }
        if starts_with_inner_attribute(&body) {
            let inner = |input: ParseStream| Ok((input.call(Attribute::parse_inner)?, input.parse()?));
            let (inner, rest): (Vec<Attribute>, TokenStream) = inner.parse2(body.stream())?;
            attrs.extend(inner.into_iter().map(|attr| Attribute { style: syn::AttrStyle::Outer, ..attr }));
            body = with_stream(&body, rest);
        }
        Ok(Self { attrs, vis, sig, body: Some(body) })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, sig, body } = self;
        tokens.extend(quote!(#(#attrs)* #vis #sig));
        match body {
            Some(body) => body.to_tokens(tokens),
            None => tokens.extend(quote!(;)),
        }
    }
}

impl Function {
    /// Reads an item; else gives what the attribute `name` becomes: the item, and where the attribute may stand.
    pub(crate) fn read(name: &str, item: &TokenStream) -> Result<Self, TokenStream> {
        if let Some(function) = Self::read_before_body(item) {
            return Ok(function);
        }
        syn::parse2(item.clone()).map_err(|error| {
            let is_function =
                item.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(i) if i == "fn"));
            let error = match is_function {
                true if refused::by_compiler(item) => return item.clone(),
                true => error,
                false => syn::Error::new_spanned(
                    item,
                    format!("`#[{name}]` stands on an `async fn`, and this is none: move it there"),
                ),
            };
            beside(item, &error.to_compile_error())
        })
    }

    /// Reads an item that ends with a body in braces, as nearly all do. A parser takes every token apart that it is given, and
    /// nothing of the body is looked for.
    fn read_before_body(item: &TokenStream) -> Option<Self> {
        let mut tokens: Vec<TokenTree> = item.clone().into_iter().collect();
        let Some(TokenTree::Group(body)) = tokens.pop() else { return None };
        if body.delimiter() != Delimiter::Brace || starts_with_inner_attribute(&body) {
            return None;
        }
        let head =
            |input: ParseStream| Ok((input.call(Attribute::parse_outer)?, input.parse()?, input.parse()?));
        let (attrs, vis, sig) = head.parse2(tokens.into_iter().collect()).ok()?;
        Some(Self { attrs, vis, sig, body: Some(body) })
    }

    /// Takes back what `#[async_trait]` has moved into the body: the pattern of an argument, where one of the `values` of attributes
    /// mentions a name that it binds. They are evaluated before the body.
    pub(crate) fn lift_patterns<'t>(&mut self, values: impl Iterator<Item = &'t TokenStream>) {
        let is_moved =
            |argument: &FnArg| matches!(argument, FnArg::Typed(typed) if moved(&typed.pat).is_some());
        if self.sig.asyncness.is_some() || !self.sig.inputs.iter().any(is_moved) {
            return;
        }
        let Some(Form { body: written, block, boxed: Some(boxed), .. }) = self.form() else { return };
        let mut words = Words::default();
        values.for_each(|value| words.add(value.clone()));
        let mut tokens: Vec<TokenTree> = written.into_iter().collect();
        for argument in &mut self.sig.inputs {
            let FnArg::Typed(typed) = argument else { continue };
            let Some(name) = moved(&typed.pat) else { continue };
            let Some((statement, pat)) = taken_apart(&tokens, &name) else { continue };
            let (mut mentioned, mut by_reference) = (false, false);
            arguments::visit(&mut pat.clone(), &typed.ty, &mut |bound, _| {
                mentioned |= words.mention(&bound.ident);
                by_reference |= bound.by_ref.is_some();
            });
            if mentioned && !by_reference {
                *typed.pat = pat;
                tokens.drain(statement);
            }
        }
        let Boxed { before, keywords } = boxed;
        let block = with_stream(&block, tokens.into_iter().collect());
        self.body =
            self.body.take().map(|body| with_stream(&body, quote!(#(#before)* (#(#keywords)* #block))));
    }

    /// Gives a body that waits for nothing an await that never runs: its attribute needs an asynchronous function, and a lint
    /// would advise against one.
    pub(crate) fn needs_async(&mut self) {
        // An await of a block or closure inside is none of the function's own.
        let waits = |body: &Group| {
            // An empty one lacks its value, which is reported where the body is.
            body.stream().is_empty() || (names(body.stream(), "await") && !names(body.stream(), "async"))
        };
        if self.sig.asyncness.is_some() && !self.body.as_ref().is_none_or(waits) {
            self.prepend(&emit! {
                if false {
                    ::core::future::ready(()).await;
                }
            });
        }
    }

    /// Puts statements before those of the body.
    pub(crate) fn prepend(&mut self, statements: &TokenStream) {
        self.body = self.body.take().map(|body| {
            let written = body.stream();
            // Else the value that an empty body lacks would be looked for in the statements.
            let end = written.is_empty().then(|| emit!(;));
            with_stream(&body, quote!(#statements #end #written))
        });
    }

    /// Where the asynchronous body is, if there is one.
    pub(crate) fn form(&self) -> Option<Form> {
        let body = self.body.as_ref()?;
        if self.sig.asyncness.is_some() {
            let output = match &self.sig.output {
                ReturnType::Default => None,
                ReturnType::Type(_, ty) => Some((**ty).clone()),
            };
            return Some(Form {
                body: body.stream(),
                block: body.clone(),
                outer: body.span(),
                output,
                boxed: None,
            });
        }
        let output = boxed_output(&self.sig.output)?;
        let (before, arguments) = split_last_group(body.stream(), Delimiter::Parenthesis)?;
        if !ends_with_box_pin(&before) {
            return None;
        }
        let (keywords, block) = split_last_group(arguments.stream(), Delimiter::Brace)?;
        if quote!(#(#keywords)*).to_string() != "async move" {
            return None;
        }
        let boxed = Some(Boxed { before, keywords });
        let written = block.stream();
        Some(Form { body: written, block, outer: body.span(), output: Some(output), boxed })
    }
}

/// An asynchronous body and what surrounds it.
pub(crate) struct Form {
    pub(crate) body: TokenStream,
    /// The body with its braces: a value that is missing from it is reported there.
    pub(crate) block: Group,
    /// The span of the function's own block.
    pub(crate) outer: Span,
    /// What the body answers; `None` when nothing is written.
    pub(crate) output: Option<Type>,
    boxed: Option<Boxed>,
}

/// `Box::pin(async move { … })`, as `#[async_trait]` hands over.
struct Boxed {
    before: Vec<TokenTree>,
    keywords: Vec<TokenTree>,
}

impl Form {
    /// Whether the body stands in a boxed block of its own.
    pub(crate) fn is_boxed(&self) -> bool {
        self.boxed.is_some()
    }

    /// The function's new body, with `body` where the written one was.
    pub(crate) fn rebuild(&self, body: TokenStream) -> TokenStream {
        match &self.boxed {
            None => body,
            Some(Boxed { before, keywords }) => quote!(#(#before)* (#(#keywords)* { #body })),
        }
    }

    /// Whether an attribute of ours was here before.
    pub(crate) fn is_expanded(&self) -> bool {
        crate::paths::begin_with_import(self.body.clone())
    }
}

/// The name that `#[async_trait]` gives to an argument that its body takes apart.
fn moved(pat: &Pat) -> Option<String> {
    let Pat::Ident(name) = pat else { return None };
    Some(name.ident.to_string()).filter(|name| name.starts_with("__arg"))
}

/// The first `let PATTERN = { let name = name; name };`, and its pattern.
fn taken_apart(tokens: &[TokenTree], name: &str) -> Option<(Range<usize>, Pat)> {
    let is = |token: &TokenTree, text: &str| token.to_string() == text;
    let value = format!("let {name} = {name} ; {name}");
    let is_value =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if plain(group.stream()) == value);
    let equals = tokens
        .windows(3)
        .position(|three| is(&three[0], "=") && is_value(&three[1]) && is(&three[2], ";"))?;
    let start = tokens[..equals].iter().rposition(|token| is(token, "let"))?;
    let pattern = tokens[start + 1..equals].iter().cloned().collect();
    Pat::parse_single.parse2(pattern).ok().map(|pat| (start..equals + 3, pat))
}

/// The tokens with one blank between each two.
fn plain(tokens: TokenStream) -> String {
    tokens.into_iter().map(|token| token.to_string()).collect::<Vec<_>>().join(" ")
}

/// `T` of `Pin<Box<dyn Future<Output = T> + …>>`.
fn boxed_output(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, pin) = output else { return None };
    let Type::TraitObject(object) = only_argument(only_argument(pin, "Pin")?, "Box")? else { return None };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
            _ => None,
        })
    })
}

/// `T` of `Name<T>`, under whatever path.
pub(crate) fn only_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The tokens before a last group of `delimiter`, and that group.
fn split_last_group(tokens: TokenStream, delimiter: Delimiter) -> Option<(Vec<TokenTree>, Group)> {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    match tokens.pop() {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some((tokens, group)),
        _ => None,
    }
}

/// Whether `tokens` are `Box::pin` under any path, and nothing else.
fn ends_with_box_pin(tokens: &[TokenTree]) -> bool {
    let path = quote!(#(#tokens)*);
    syn::parse2::<syn::Path>(path).is_ok_and(|path| {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        names.ends_with(&["Box".to_owned(), "pin".to_owned()])
    })
}

/// A body; one that a macro captured as `$body:block` stands in an invisible group of its own.
fn body(input: ParseStream) -> syn::Result<Group> {
    let at = input.span();
    let mut token: TokenTree = input.parse()?;
    loop {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                let mut inside = group.stream().into_iter();
                token = match (inside.next(), inside.next()) {
                    (Some(only), None) => only,
                    _ => return Err(syn::Error::new(at, "expected a function's body")),
                };
            }
            TokenTree::Group(group) => return Ok(group),
            _ => return Err(syn::Error::new(at, "expected a function's body")),
        }
    }
}

fn starts_with_inner_attribute(body: &Group) -> bool {
    let mut tokens = body.stream().into_iter();
    let is = |token: Option<TokenTree>, c| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == c);
    is(tokens.next(), '#') && is(tokens.next(), '!')
}

/// A group like `group` with other contents.
pub(crate) fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut copy = Group::new(group.delimiter(), stream);
    copy.set_span(group.span());
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_async_trait_has_moved_is_an_argument_again_where_a_value_needs_it() {
        let source = quote! {
            fn f<'a>(&'a self, mut __arg1: (u8, Order), __arg2: (u8, u8)) -> Pin<Box<dyn Future<Output = R> + 'a>> {
                Box::pin(async move {
                    let __self = self;
                    let (mut n, Order { id, .. }) = { let __arg1 = __arg1; __arg1 };
                    let (a, ref b) = { let __arg2 = __arg2; __arg2 };
                    Ok(n)
                })
            }
        };
        let lifted = |value: TokenStream| {
            let mut function: Function = syn::parse2(source.clone()).expect("a function");
            function.lift_patterns([value].iter());
            function.into_token_stream().to_string()
        };
        let text = lifted(quote!((id, a)));
        assert!(text.contains("& 'a self , (mut n , Order { id , .. }) : (u8 , Order) , __arg2"), "{text}");
        assert!(!text.contains("__arg1") && text.contains("let (a , ref b) = {"), "{text}");
        assert!(!lifted(quote!(self.id)).contains("(mut n , Order { id , .. }) :"));
    }
}
