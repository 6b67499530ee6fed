//! `#[background]`: the function as it is, and a registration beside it.

use std::time::Duration;

use hardening_spec::keys;
use proc_macro2::TokenStream;

use crate::diagnostics::Errors;
use crate::expand::time;
use crate::function::Function;
use crate::paths::{absolute, emit};
use crate::provided::{self, Argument, Kind, Run};
use crate::syntax::{Policy, Time, Value};

/// Keeps the task and registers it.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let kind = Kind { attribute: &keys::BACKGROUND, noun: "a background task", stops: true };
    provided::expand(&kind, arguments, item, values, registration)
}

fn values(task: &Policy, errors: &mut Errors) {
    for entry in &task.entries {
        match &entry.value {
            Value::Range(Time::Known(from), _) if from.is_zero() => {
                let message = "a task that fails at once would begin again without a pause: write a `restart` above 0, \
                     such as `1s..60s`";
                errors.at(&entry.tokens, message);
            }
            Value::Text(name) if name.value().trim().is_empty() => {
                errors.at(&entry.tokens, "a name says something: write `name = \"relay\"`, or leave it out");
            }
            _ => {}
        }
    }
}

fn registration(function: &Function, task: &Policy, taken: &[Argument]) -> TokenStream {
    let private = absolute();
    let name = provided::name(function, task);
    let range = |from: &Time, to: &Time| {
        let (from, to) = (time(from), time(to));
        emit!(::core::option::Option::Some(#private::DurationRange::new(#from, #to)))
    };
    let restart = match task.get("restart").map(|entry| &entry.value) {
        Some(Value::Range(from, to)) => range(from, to),
        Some(Value::Choice(_)) => emit!(::core::option::Option::None),
        _ => range(&Time::Known(Duration::from_secs(1)), &Time::Known(Duration::from_mins(1))),
    };
    let order = task.count("order").unwrap_or(0);
    let line = provided::line(function);
    let Run { found, answer, as_text, provided } = provided::run(function, taken, "for_task", &name);
    let stop = if taken.iter().any(|argument| matches!(argument, Argument::Stopping)) {
        emit!(stop)
    } else {
        emit!(_)
    };
    let cfg = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    emit! {
        #(#cfg)*
        const _: () = {
            static TASK: #private::BackgroundTask = #private::BackgroundTask {
                name: #name,
                restart: #restart,
                order: #order,
                module: ::core::module_path!(),
                krate: ::core::env!("CARGO_PKG_NAME"),
                file: ::core::file!(),
                line: #line,
                run: |#provided, #stop| {
                    #found
                    ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                        let result = #answer;
                        result.map_err(|error| #as_text)
                    }))
                },
            };
            #private::register_task!(TASK);
        };
    }
}
