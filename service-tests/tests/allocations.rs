//! The success path allocates nothing.

use std::process::Command;

#[test]
fn a_full_stack_that_succeeds_allocates_nothing() {
    let counted = Command::new(env!("CARGO_BIN_EXE_allocations")).output().unwrap();
    assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
}
