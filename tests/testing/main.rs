//! What `hardening::testing` gives to tests. A binary of its own: drills take every call that is linked into one.

mod alone;
mod drills;
mod faults;
mod order;
