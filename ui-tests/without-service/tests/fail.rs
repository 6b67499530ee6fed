//! What must not compile without a feature, and what the compiler then says.

/// In a workspace of trybuild's own, so that no other package switches the feature on.
#[test]
fn a_missing_feature_is_named_at_the_attribute() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
