//! `#[cached]`: results by key, with one load in flight for each.
//!
//! A result is fresh for its `ttl`, spread a little; then stale, for as long as `stale_while_revalidate` or
//! `stale_if_error` say; nothing older is ever handed out. Source of the states: RFC 5861.

mod flight;
mod mark;
mod pause;
mod sites;
mod store;
mod times;
mod weighed;

pub use flight::{Failure, Follower, Landing, Leader};
pub use mark::{Edge, Mark};
pub use pause::Pause;
pub use sites::{Cache, Request, Stores};
pub use store::{Found, Kept, Store};
pub use times::{Age, Times};
