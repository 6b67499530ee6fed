//! Every shape of function that the attributes accept, in a caller of the edition before ours.

#[path = "../../pass/arguments.rs"]
mod arguments;
#[path = "../../pass/beside.rs"]
mod beside;
#[path = "../../pass/bodies.rs"]
mod bodies;
#[path = "../../pass/error.rs"]
mod error;
#[path = "../../pass/functions.rs"]
mod functions;
#[path = "../../pass/futures.rs"]
mod futures;
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
#[path = "../../pass/traits.rs"]
mod traits;
