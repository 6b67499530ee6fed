//! Whatever stands in a token, of an issuer that may let people choose what stands there.

use super::tests::rules;
use super::*;
use crate::fuzzing::run;

#[test]
fn claims_of_tokens() {
    let seeds: &[&[u8]] = &[
        br#"{"iss":"https://id.example","aud":"orders","sub":"ann","exp":1060,"nbf":1000,"scope":"a b","org":"acme"}"#,
        br#"{"iss":"https://id.example","aud":["x","shop"],"sub":"ann","exp":1e9,"realm":{"roles":["c"]}}"#,
    ];
    let words: &[&[u8]] = &[
        b"\"exp\":",
        b"1e300",
        b"-1",
        b"null",
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"sub\":\"",
        b"\\u0000",
        b"\\ud83d\\ude00",
        b"\"aud\":",
    ];
    let rules = rules();
    run("claims", seeds, words, |text| {
        let Ok(Value::Object(claims)) = serde_json::from_slice(text) else { return };
        let Ok(caller) = rules.judge(&claims, 1000) else { return };
        assert_eq!(claims["iss"], "https://id.example");
        assert!(claims["exp"].as_f64().is_some_and(|expires| expires + 30.0 > 1000.0));
        for name in [Some(&caller.principal.id), caller.tenant.as_ref()].into_iter().flatten() {
            assert!(is_name(name), "{name:?}");
        }
        assert_eq!(claims["sub"], *caller.principal.id);
        // It is over for good.
        assert!(rules.judge(&claims, u64::MAX / 2).is_err() || claims["exp"].as_f64() > Some(1e15));
    });
}
