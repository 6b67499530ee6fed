//! What a service with everything on tells of itself, and what it keeps of what it has done.

/// Counts what the service holds, in the process that says so.
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

mod app;
mod world;

mod budgets;
mod prometheus;
mod series;
mod soak;
