//! What a request brings, read into types: queries, parts of paths and forms beside [`Json`](super::Json) bodies. What does
//! not fit is answered with problem+json that names the field, in words that know no Rust.

mod form;
mod pairs;
mod path;
mod query;
#[cfg(feature = "validation")]
mod valid;
mod value;

pub use self::form::Form;
pub use self::path::Path;
pub use self::query::Query;
#[cfg(feature = "validation")]
pub use self::valid::Valid;
