//! Whatever clients say of how long they wait.

use super::*;
use crate::fuzzing::run_text;

/// The longest that eight digits of hours say.
const LONGEST: Duration = Duration::from_hours(99_999_999);

#[test]
fn grpc_timeout() {
    run_text(
        "grpc-timeout",
        &["1500m", "2S", "1H", "0n", "99999999u", "1M"],
        &["H", "M", "S", "m", "u", "n", "9", "-", "+"],
        |text| {
            let Some(time) = grpc(text) else { return };
            let (digits, unit) = text.split_at(text.len() - 1);
            assert!(
                (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()),
                "{text}"
            );
            assert!("HMSmun".contains(unit) && time <= LONGEST, "{text}");
            // One unit more is longer.
            let next = digits.parse::<u64>().unwrap() + 1;
            assert!(grpc(&format!("{next}{unit}")).is_none_or(|longer| longer > time), "{text}");
        },
    );
}

#[test]
fn request_timeout() {
    run_text(
        "x-request-timeout-ms",
        &["200", "-5", " 15 ", "99999999999999999999"],
        &["-", "+", "0", "9", " ", "."],
        |text| {
            let Some(time) = millis(text) else { return };
            let digits = text.trim();
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
            if let Ok(known) = digits.parse::<u64>() {
                assert_eq!(time, Duration::from_millis(known));
            }
        },
    );
}

#[test]
fn both() {
    run_text("both timeouts", &["1S", "200"], &["m", "0", "H", "-"], |text| {
        let Ok(value) = http::HeaderValue::from_str(text) else { return };
        let headers = HeaderMap::from_iter([(TIMEOUT_MS, value.clone()), (GRPC_TIMEOUT, value)]);
        let longest = Duration::from_secs(15);
        assert!(of(&headers, Said::of(&headers), longest).is_err(), "what is one is not the other: {text}");
        let alone = HeaderMap::from_iter([(GRPC_TIMEOUT, headers[GRPC_TIMEOUT].clone())]);
        assert!(
            of(&alone, Said::of(&alone), longest).is_ok_and(|time| time <= longest) || grpc(text).is_none()
        );
    });
}
