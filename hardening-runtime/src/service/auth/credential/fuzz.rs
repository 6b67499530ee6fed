//! Whatever callers show of themselves.

use http::HeaderValue;

use super::*;
use crate::fuzzing::run;

#[test]
fn credentials() {
    let seeds: &[&[u8]] = &[
        b"Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln",
        b"ApiKey till-1c9a3e5b7d9f1a2b3c4d5e6f",
        b"Basic dTpw",
    ];
    run("credentials", seeds, &[b"Bearer ", b"ApiKey ", b" ", b"\t", b",", b".", b"bearer"], |value| {
        let Ok(field) = HeaderValue::from_bytes(value) else { return };
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, field.clone())]);
        match shown(&headers) {
            Shown::Token(credential) | Shown::ApiKey(credential) => {
                assert!(!credential.is_empty() && credential.len() <= LONGEST);
                assert!(credential.bytes().all(|byte| byte.is_ascii_graphic()), "{credential:?}");
                assert!(value.ends_with(credential.as_bytes()), "all of the rest");
            }
            Shown::Unfit => {}
            Shown::Nothing => panic!("something is shown"),
        }
        // A second one beside it makes both count for nothing, wherever it stands.
        headers.append(API_KEY, HeaderValue::from_static("k"));
        assert!(matches!(shown(&headers), Shown::Unfit));
        let key = HeaderMap::from_iter([(API_KEY, field)]);
        if let Shown::ApiKey(credential) = shown(&key) {
            assert_eq!(credential.as_bytes(), value, "a key is the whole field");
        }
        assert!(!matches!(shown(&key), Shown::Token(_)), "no token is a key");
    });
}
