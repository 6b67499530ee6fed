//! The policies through the attributes, on paused time.

mod breakers;
mod bytes;
mod cached;
mod corners;
mod counted;
mod destructors;
mod handover;
mod hanging;
mod hedged;
#[cfg(feature = "service")]
mod idempotent;
mod inner_waits;
#[cfg(feature = "tower")]
mod layers;
mod leases;
mod left_behind;
mod load_failed;
mod lowered;
mod nested;
mod nested_many;
mod nested_mixed;
mod nested_told;
mod numbers;
mod overload;
mod passed_on;
mod probes;
mod recursion;
mod refresh;
mod requires;
#[cfg(feature = "tower")]
mod reserving;
mod shared;
mod smoke;
mod support;
mod switched_off;
mod timerless;
mod told;
mod turns;
mod turns_lost;
mod turns_mixed;
mod turns_overloaded;
mod unfinished;
