//! Whatever clients say of a request that may come twice, and the cookies that they show with it.

use http::HeaderValue;

use super::*;
use crate::fuzzing::run;

#[test]
fn idempotency_keys() {
    let seeds: &[&[u8]] = &[
        b"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
        b"k9;a=1;b=?1;c=:aGk=:;d=\"x;y\";e=@1659578233",
        b" \"a\\\"b\\\\\"; x",
    ];
    let words: &[&[u8]] =
        &[b"\"", b"\\\"", b"\\\\", b";a", b"=?1", b"=:aGk=:", b"=@1", b"; ", b"*", b"k9", b"("];
    run("idempotency keys", seeds, words, |value| {
        let Ok(field) = HeaderValue::from_bytes(value) else { return };
        let mut headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, field.clone())]);
        let (strict, bare) = (read(&headers, false), read(&headers, true));
        assert!(strict.is_none() || strict == bare, "a string is the same key either way");
        headers.append(IDEMPOTENCY_KEY, field);
        assert_eq!(read(&headers, true), None, "two are none");
        let Some(key) = bare else { return };
        assert!(
            !key.is_empty()
                && key.len() <= value.len()
                && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        );
        // Written as the draft says, with a parameter or without, it is the same key.
        let written = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        for written in [written.clone(), format!("{written};a=\"b;c\";d")] {
            let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, written.parse().expect("header text"))]);
            assert_eq!(read(&headers, false).as_ref(), Some(&key), "{written}");
        }
    });
}

#[test]
fn cookies() {
    let seeds: &[&[u8]] = &[b"sid=31d4d96e407aad42; lang=en", b"a=\"b; c\";d", b"=; ;a"];
    run("cookies", seeds, &[b"; ", b";", b"=", b"sid=", b"\"", b" "], |value| {
        let of = |fields: &mut dyn Iterator<Item = &[u8]>| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, HeaderValue::from_bytes(field).ok()?);
            }
            Some(shown(&headers).digest())
        };
        let Some(whole) = of(&mut std::iter::once(value)) else { return };
        let each = || value.split(|byte| *byte == b';');
        assert_eq!(of(&mut each()), Some(whole), "HTTP/2 sends each in a field of its own");
        let mut backwards: Vec<&[u8]> = each().collect();
        backwards.reverse();
        assert_eq!(of(&mut backwards.into_iter()), Some(whole), "in any order");
        let more = of(&mut [value, b"another=one"].into_iter());
        assert_ne!(more, Some(whole), "one more is somebody else");
    });
}
