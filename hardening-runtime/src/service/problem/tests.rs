use super::*;

fn read(response: Response) -> (StatusCode, http::HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(axum::body::to_bytes(body, usize::MAX)).unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn the_value_of_a_field_with_the_name_of_a_secret_is_not_told() {
    let serde = "invalid type: string \"rosebud, expected\", expected u32";
    assert_eq!(told_of("login.password", serde), "invalid type: [redacted], expected u32");
    assert_eq!(
        told_of("tokens[3]", "invalid value: integer `7`, expected a text"),
        "invalid value: integer `7`, expected a text"
    );
    assert_eq!(
        told_of("token[3]", "invalid value: integer `7`, expected a text"),
        "invalid value: [redacted], expected a text"
    );
    assert_eq!(told_of("password", "length is lower than 8"), "length is lower than 8");
    assert_eq!(told_of("quantity", serde), serde);
}

#[test]
fn members_stand_in_order_and_only_where_they_say_something() {
    let problem = Problem::validation().detail("One field is wrong.").field("quantity", "too large");
    assert_eq!(
        String::from_utf8(problem.body(Some("r-1"))).unwrap(),
        r#"{"type":"urn:hardening:problem:validation","title":"Validation failed","status":422,"detail":"One field is wrong.","errors":[{"field":"quantity","message":"too large"}],"request_id":"r-1"}"#
    );
    assert_eq!(
        String::from_utf8(Problem::new(StatusCode::NOT_FOUND).body(None)).unwrap(),
        r#"{"type":"about:blank","title":"Not Found","status":404}"#
    );
}

#[test]
fn every_refusal_has_its_status_and_tells_no_name() {
    let call = "orders::secret_call";
    let second = Duration::from_secs(1);
    for (refusal, status, retry_after) in [
        (Rejected::Timeout { call, after: second }, 504, None),
        (Rejected::DeadlineExceeded { call }, 504, None),
        (Rejected::CircuitOpen { circuit: call, retry_after: Duration::from_millis(1200) }, 503, Some("2")),
        (
            Rejected::RateLimited { limiter: call, retry_after: second, limit: 10, remaining: 0 },
            429,
            Some("1"),
        ),
        (
            Rejected::RateLimited { limiter: call, retry_after: Duration::MAX, limit: 10, remaining: 9 },
            429,
            None,
        ),
        (Rejected::BulkheadFull { call, limit: 10 }, 503, None),
        (Rejected::StoreUnavailable { store: call }, 503, None),
        (Rejected::IdempotencyConflict { retry_after: Duration::ZERO }, 409, Some("1")),
        (Rejected::IdempotencyMismatch, 422, None),
        (Rejected::IdempotencyForeign, 422, None),
        (Rejected::IdempotencyKeyMissing, 400, None),
        (Rejected::LoadFailed { call, cause: Some(call.into()) }, 503, None),
        (Rejected::Unauthenticated, 401, None),
        (Rejected::Forbidden { scope: call }, 403, None),
        (Rejected::ShuttingDown, 503, None),
    ] {
        let name = refusal.kind();
        let (got, headers, body) = read(refusal.into_response());
        assert_eq!(got.as_u16(), status, "{name}");
        assert_eq!(headers[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(
            headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()),
            retry_after,
            "{name}"
        );
        assert!(!body.contains("secret_call"), "{name}: {body}");
    }
}
