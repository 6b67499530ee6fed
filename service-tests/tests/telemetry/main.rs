//! What a service with everything on tells of itself, and what it keeps of what it has done.

mod app;
mod world;

mod budgets;
mod prometheus;
mod series;
mod soak;
