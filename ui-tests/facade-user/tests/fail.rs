//! What the compiler says where neither the manifest nor `crate = …` leads to `hardening`.

/// In a package of trybuild's own, which depends on what this one depends on.
#[test]
fn a_missing_dependency_is_told_once_with_what_to_write() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
