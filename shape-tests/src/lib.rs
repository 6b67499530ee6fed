//! Generated tests of the expansion. Each test writes packages below the target directory, runs `cargo check` or
//! `cargo clippy` on them, and reports the first error for each function that fails.
//!
//! * `tests/shapes.rs`: each function of `shapes/*.rs` under each attribute, each pair and the full stack compiles if it
//!   compiles plain, and its future has the same auto traits. The format of these files: [`shapes`].
//! * `tests/depth.rs`: chains of annotated functions stay within the compiler's default recursion limit.
//! * `tests/lints.rs`: an attribute adds no lint to a function, and hides none.
//! * `tests/names.rs`: services, checks, tasks and shared policies among names of the caller's.
//! * `tests/drop_order.rs`: arguments are dropped in the order of the plain function, at run time.
//!
//! `HARDENING_SHAPES=retry` compiles the shapes only under combinations with this in their name, `plain` without attributes.
//! The printed reports: `cargo test -p hardening-shape-tests -- --nocapture`.

pub mod attributes;
pub mod depth;
pub mod package;
pub mod report;
pub mod shapes;
