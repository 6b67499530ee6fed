//! What must not compile, and what the compiler then says.

/// See `fail/README.md` for the numbers, and for how to record anew.
#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    let attributes: &[&str] = &[
        "hardened",
        "timeout",
        "deadline",
        "retry",
        "circuit_breaker",
        "rate_limited",
        "bulkhead",
        "fallback",
        #[cfg(feature = "service")]
        "health_check",
        #[cfg(feature = "service")]
        "hardened_service",
    ];
    for attribute in attributes {
        cases.compile_fail(format!("fail/{attribute}/*.rs"));
    }
}
