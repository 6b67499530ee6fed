//! Every shape of function that the attributes accept, in a caller of the edition before ours.

#![deny(warnings, future_incompatible, rust_2021_compatibility, rust_2024_compatibility)]

#[path = "../../pass/arguments.rs"]
mod arguments;
#[path = "../../pass/beside.rs"]
mod beside;
#[path = "../../pass/bodies.rs"]
mod bodies;
#[path = "../../pass/corners.rs"]
mod corners;
#[path = "../../pass/error.rs"]
mod error;
#[path = "../../pass/functions.rs"]
mod functions;
#[path = "../../pass/futures.rs"]
mod futures;
#[path = "../../pass/generated.rs"]
mod generated;
#[path = "../../pass/generics.rs"]
mod generics;
#[path = "../../pass/handlers.rs"]
mod handlers;
#[path = "../../pass/names.rs"]
mod names;
#[path = "../../pass/paths.rs"]
mod paths;
#[path = "../../pass/shadowed.rs"]
mod shadowed;
#[path = "../../pass/strict.rs"]
mod strict;
#[path = "../../pass/tails.rs"]
mod tails;
#[path = "../../pass/traits.rs"]
mod traits;
