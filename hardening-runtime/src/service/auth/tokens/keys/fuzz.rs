//! Whatever an issuer, or who speaks in its place, publishes as its keys.

use super::tests::{EC, algorithms, encoded, modulus};
use super::*;
use crate::fuzzing::run;

#[test]
fn key_sets() {
    let rsa = format!(r#"{{"keys":[{{"kty":"RSA","kid":"r","e":"AQAB","n":"{}"}}]}}"#, encoded(&modulus()));
    let ec =
        format!(r#"{{"keys":[{{{EC},"kid":"a","use":"sig","alg":"ES256"}},{{{EC},"key_ops":["verify"]}}]}}"#);
    let seeds: &[&[u8]] = &[
        rsa.as_bytes(),
        ec.as_bytes(),
        br#"{"keys":[]}"#,
        br#"{"keys":[{"kty":"oct","k":"AA","alg":"HS256"}]}"#,
    ];
    let words: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"\"d\":\"AA\",",
        b"\"kty\":\"oct\"",
        b"\"alg\":\"HS256\"",
        b"AQ",
        b"null",
        b"\"n\":\"\"",
    ];
    run("key sets", seeds, words, |text| {
        let Ok(keys) = Keys::read(text, &algorithms()) else { return };
        assert!(keys.len() + keys.weak().len() <= MOST);
        assert_eq!(keys.lack().is_some(), keys.len() == 0);
        assert!(keys.find(None, Algorithm::HS256).is_none(), "nothing that is published is a shared secret");
        assert!(keys.find(None, Algorithm::PS256).is_none(), "it is not among those of the settings");
        assert!(keys.keys.iter().all(|key| !key.fits.is_empty()));
        let again = Keys::read(text, &algorithms()).unwrap();
        assert_eq!((again.len(), again.weak()), (keys.len(), keys.weak()));
    });
}
