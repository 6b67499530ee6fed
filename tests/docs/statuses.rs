//! The statuses of gRPC that a page lists are those that refusals have.

use std::fs;
use std::time::Duration;

use hardening::Rejected;
use hardening::layer::grpc_code;

use super::blocks::root;

#[test]
fn the_page_s_table_of_statuses_is_that_of_the_function() {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let (call, time) = ("", Duration::ZERO);
    let refusals = [
        ("Timeout", Rejected::Timeout { call, after: time }),
        ("DeadlineExceeded", Rejected::DeadlineExceeded { call }),
        ("RateLimited", Rejected::RateLimited { limiter: call, retry_after: time, limit: 1, remaining: 0 }),
        ("Unauthenticated", Rejected::Unauthenticated),
        ("Forbidden", Rejected::Forbidden { scope: "" }),
        ("IdempotencyKeyMissing", Rejected::IdempotencyKeyMissing),
        ("IdempotencyMismatch", Rejected::IdempotencyMismatch),
        ("IdempotencyForeign", Rejected::IdempotencyForeign),
        ("IdempotencyConflict", Rejected::IdempotencyConflict { retry_after: time }),
        ("CircuitOpen", Rejected::CircuitOpen { circuit: call, retry_after: time }),
        ("BulkheadFull", Rejected::BulkheadFull { call, limit: 1 }),
        ("ShuttingDown", Rejected::ShuttingDown),
        ("StoreUnavailable", Rejected::StoreUnavailable { store: call }),
        ("LoadFailed", Rejected::LoadFailed { call, cause: None }),
    ];
    let page = fs::read_to_string(root().join("docs/policies.md")).expect("a page");
    let rows: Vec<[&str; 2]> = page
        .lines()
        .skip_while(|line| *line != "| refusal | status |")
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(refusals, statuses)| [refusals, statuses])
        .collect();
    let mut named = 0;
    for (name, refusal) in refusals {
        let row = rows.iter().find(|[of, _]| of.contains(&format!("`{name}`")));
        named += usize::from(row.is_some());
        let [of, statuses] = row.or(rows.last()).expect("a table");
        let at = of.split(", ").position(|of| of == format!("`{name}`")).unwrap_or(0);
        let status = statuses.split(", ").nth(at).or(statuses.split(", ").next()).unwrap();
        assert_eq!(status, format!("`{}`", NAMES[usize::from(grpc_code(&refusal))]), "{name}");
    }
    assert_eq!(named, 12, "{rows:?}");
}
