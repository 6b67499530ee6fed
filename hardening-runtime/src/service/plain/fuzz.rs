//! Whatever the text of an answer is that becomes a problem's detail, and what clients read of it.

use super::*;
use crate::fuzzing::run;

#[test]
fn problem_details() {
    let seeds: &[&[u8]] = &[
        b"Invalid URL: Cannot parse `x` to a `u32`",
        b"Failed to deserialize the JSON body into the target type: missing field `a` at line 1 column 2",
        b"\"},{\"message\":\"forged",
    ];
    run(
        "problem details",
        seeds,
        &[b"\"", b"\\", b"\r\n", b"\0", b"\x1b[31m", b"\xe2\x80\xa8", b"</script>", b" to a `"],
        |text| {
            let detail = printable(text);
            assert!(
                detail.chars().count() <= LONGEST_DETAIL && !detail.contains(char::is_control),
                "{detail:?}"
            );
            assert_eq!(detail, printable(detail.as_bytes()), "said once more it is the same");
            // What has the form of a secret is told to nobody.
            let told = crate::telemetry::redact::text(&detail).into_owned();
            let problem = Problem::validation().detail(detail.clone()).field(detail.clone(), detail.clone());
            for id in [None, Some("an-id")] {
                let body: serde_json::Value = serde_json::from_slice(&problem.body(id)).expect("JSON");
                assert_eq!(
                    (body["detail"].as_str(), body["status"].as_u64()),
                    (Some(told.as_str()), Some(422))
                );
                assert_eq!(body["request_id"].as_str(), id);
                assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
            }
        },
    );
}
