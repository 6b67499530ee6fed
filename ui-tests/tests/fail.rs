//! What must not compile, and what the compiler then says.

/// See `fail/README.md` for the numbers, and for how to record anew.
#[test]
fn i_78_mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("fail/*/*.rs");
}
