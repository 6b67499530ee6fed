//! `#[hardened_service]`: a set-up function → a program, or a service that tests can start.

use hardening_spec::keys;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ReturnType, Visibility};

use crate::attribute::beside;
use crate::diagnostics::Errors;
use crate::expand::time;
use crate::function::Function;
use crate::harvest;
use crate::ide;
use crate::paths::{self, absolute, emit, ours_at};
use crate::syntax::{self, Policy, Time, Value};

/// Attributes that belong on the outer function; all others stay with the set-up they were written on.
const OUTER: [&str; 10] =
    ["doc", "cfg", "allow", "warn", "deny", "expect", "must_use", "deprecated", "inline", "cold"];

/// Makes the program or the service.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function = match Function::read(keys::HARDENED_SERVICE.name, item) {
        Ok(function) => function,
        Err(item) => return beside_main(item),
    };
    let mut errors = Errors::default();
    function.prepend(&ide::hints(&keys::HARDENED_SERVICE, &arguments, &[]));
    harvest::refuse_twice(&keys::HARDENED_SERVICE, &mut function, &mut errors);
    let written = syntax::read(&keys::HARDENED_SERVICE, Span::call_site(), arguments, &mut errors);
    paths::find(written.iter().find_map(|policy| policy.krate.as_ref()), &mut errors);
    signature(&function, &mut errors);
    let service = written.first();
    for service in &written {
        values(service, &mut errors);
    }
    let clean = errors.is_empty();
    let errors = errors.finish();
    match service {
        Some(service) if clean => {
            function.needs_async();
            expanded(function, service)
        }
        _ if function.sig.ident == "main" => {
            // An `async fn main` would be a second error after the first.
            let mut inner = Function { vis: Visibility::Inherited, ..function };
            // And a warning of a function that is never used a third.
            inner.sig.ident = Ident::new("_main", inner.sig.ident.span());
            quote!(fn main() { #inner } #errors)
        }
        _ => beside(&function, &errors),
    }
}

/// An item that could not be read. An `async fn main` would be a second error after the first.
fn beside_main(item: TokenStream) -> TokenStream {
    let mut main = None;
    let mut after_fn = false;
    let rename = |token| match token {
        TokenTree::Ident(name) if after_fn && name == "main" => {
            let inner = Ident::new("_main", name.span());
            main = Some(name);
            inner.into()
        }
        token => {
            after_fn = matches!(&token, TokenTree::Ident(name) if name == "fn");
            token
        }
    };
    let item: TokenStream = item.into_iter().map(rename).collect();
    let main = main.map(|main| quote!(fn #main() {}));
    quote!(#main #item)
}

fn signature(function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    if function.body.is_none() {
        errors.at(
            &sig.ident,
            "a service is set up by a free function with a body, not a declaration: move it out",
        );
    } else if sig.asyncness.is_none() {
        errors.at(
            sig.fn_token,
            format!(
                "a service is set up by an asynchronous function: write `async fn {}`, without `#[tokio::main]` above",
                sig.ident
            ),
        );
    }
    if let Some(generic) = sig.generics.params.first() {
        errors.at(generic, "a service is one program and cannot be generic: write the types out");
    }
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver, "a service is set up by a free function: remove `self`");
    }
    let mut typed = sig.inputs.iter().filter(|argument| matches!(argument, FnArg::Typed(_)));
    typed.next();
    if let Some(second) = typed.next() {
        errors.at(
            second,
            "a service is set up with one argument, `setup: &mut Setup`, or with none: remove this one",
        );
    }
    if matches!(sig.output, ReturnType::Default) {
        errors.at(&sig.ident, "a service answers its routes: write `-> hardening::Result<Router>`");
    }
    for attr in &function.attrs {
        let path = attr.path();
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 && matches!(names.last().map(String::as_str), Some("main" | "test")) {
            let message =
                format!("`hardened_service` starts the runtime itself: remove `#[{}]`", names.join("::"));
            errors.at(path, message);
        }
    }
}

fn values(service: &Policy, errors: &mut Errors) {
    for entry in &service.entries {
        if let Value::Duration(Time::Known(length)) = &entry.value
            && length.is_zero()
        {
            let message = format!("`{}` is longer than zero: write a duration above 0", entry.key.name);
            errors.at(&entry.tokens, message);
        }
        if let Value::Text(text) = &entry.value
            && text.value().trim().is_empty()
        {
            errors.at(
                text,
                format!("`{}` is empty: write {}, or leave it out", entry.key.name, entry.key.form()),
            );
        }
    }
}

fn expanded(function: Function, service: &Policy) -> TokenStream {
    let private = absolute();
    let specification = specification(service);
    let Function { attrs, vis, sig, body } = function;
    let (outer, inner): (Vec<Attribute>, Vec<Attribute>) =
        attrs.into_iter().partition(|attr| OUTER.iter().any(|name| attr.path().is_ident(name)));
    let name = sig.ident.clone();
    let (parameter, argument) =
        if sig.inputs.is_empty() { (emit!(_), TokenStream::new()) } else { (emit!(setup), emit!(setup)) };
    let (output, start) = if name == "main" {
        (emit!(::std::process::ExitCode), emit!(main))
    } else {
        let root = paths::root();
        (emit!(#root::Service), emit!(new))
    };
    let answer = match &sig.output {
        ReturnType::Type(_, output) => ours_at(output.span()),
        ReturnType::Default => Span::mixed_site(),
    };
    // The set-up keeps its name inside the function that takes its place.
    let set_up = Function { attrs: inner, vis: Visibility::Inherited, sig, body }.into_token_stream();
    // What the answer's type misses is shown there.
    let mut set_up_at = name.clone();
    set_up_at.set_span(name.span().located_at(answer));
    let app = quote_spanned!(answer=> #private::service::IntoApp::into_app(#set_up_at(#argument).await));
    let run = emit! {
        #private::service::#start(#specification, |#parameter| ::std::boxed::Box::pin(async move {
            #app
        }))
    };
    quote! {
        #(#outer)*
        #vis fn #name() -> #output {
            #private::inventory::submit! { #private::ServicePackage(::core::env!("CARGO_PKG_NAME")) }
            #set_up
            #run
        }
    }
}

fn specification(service: &Policy) -> TokenStream {
    let private = absolute();
    let text = |key: &str| match service.get(key).map(|entry| &entry.value) {
        Some(Value::Text(text)) => Some(text.to_token_stream()),
        _ => None,
    };
    let name = text("name").unwrap_or_else(|| emit!(::core::env!("CARGO_PKG_NAME")));
    let listen = text("listen").unwrap_or_else(|| emit!("127.0.0.1:8080"));
    let admin = text("admin").unwrap_or_else(|| emit!("127.0.0.1:9090"));
    let grace = match service.get("grace").map(|entry| &entry.value) {
        Some(Value::Duration(grace)) => time(grace),
        _ => time(&Time::Known(std::time::Duration::from_secs(30))),
    };
    let config = text("config").map_or_else(
        || emit!(::core::option::Option::None),
        |config| emit!(::core::option::Option::Some(#config)),
    );
    emit! {
        #private::ServiceSpec {
            name: #name,
            version: ::core::env!("CARGO_PKG_VERSION"),
            krate: ::core::env!("CARGO_PKG_NAME"),
            listen: #listen,
            admin: #admin,
            grace: #grace,
            config: #config,
        }
    }
}
