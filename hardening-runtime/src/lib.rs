//! The runtime behind the `hardening` attributes: policies as pure state machines, the call sites that
//! expansions talk to, telemetry and the server.
//!
//! Use it through the `hardening` crate; [`__private`] is what expansions name and is no public interface.

pub mod catalogue;
pub mod clock;
#[cfg(feature = "http-client")]
pub mod connect;
pub mod context;
pub mod events;
#[cfg(feature = "service")]
mod files;
#[cfg(all(test, feature = "service"))]
mod fuzzing;
mod key;
#[cfg(feature = "tower")]
pub mod layer;
pub mod lifecycle;
#[cfg(feature = "service")]
mod lines;
mod names;
mod once_a_minute;
pub mod policy;
mod rejected;
mod replay;
#[cfg(any(feature = "service", feature = "tower"))]
mod retry_after;
#[cfg(feature = "service")]
pub mod secret;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod settings;
pub mod site;
mod size;
mod sync;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod tunable;
mod versions;
#[cfg(feature = "tls")]
mod weak_keys;

#[doc(hidden)]
pub mod __private;

#[cfg(feature = "validation")]
pub use garde;
pub use key::CacheKey;
pub use rejected::Rejected;
pub use size::ByteSize;
