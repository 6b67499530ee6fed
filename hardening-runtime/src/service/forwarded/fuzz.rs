//! Whatever proxies and strangers write into the fields that name clients.

use super::*;
use crate::fuzzing::run;

fn of(field: &'static str, value: &[u8]) -> Option<Vec<Option<IpAddr>>> {
    let mut headers = HeaderMap::new();
    headers.append(field, http::HeaderValue::from_bytes(value).ok()?);
    Some(hops(&headers, &HeaderName::from_static(field)).collect())
}

#[test]
fn x_forwarded_for() {
    let seeds: &[&[u8]] = &[
        b"203.0.113.5, 192.0.2.1:80",
        b"[2001:db8::1]:80,[2001:db8::2] ,2001:db8::3,::ffff:192.0.2.9",
        b"unknown, 1.2.3.4",
    ];
    run(
        "x-forwarded-for",
        seeds,
        &[b", ", b"127.0.0.1", b"::1", b"[", b"]:", b"::ffff:", b"%eth0"],
        |value| {
            let Some(hops) = of("x-forwarded-for", value) else { return };
            // Each comma divides two hops, and nothing else does.
            let commas = value.split(|byte| *byte == b',').count() - 1;
            let texts = if std::str::from_utf8(value)
                .is_ok_and(|text| text.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)))
            {
                commas + 1
            } else {
                1
            };
            assert_eq!(hops.len(), texts);
            let read: Vec<IpAddr> = hops.iter().rev().copied().map_while(|hop| hop).collect();
            assert!(read.iter().all(|ip| *ip == ip.to_canonical()), "one address has one form");
            // What we write is read as it was meant.
            let written = read.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if !read.is_empty() {
                let again: Vec<_> =
                    of("x-forwarded-for", written.as_bytes()).unwrap().into_iter().rev().flatten().collect();
                assert_eq!(again, read);
            }
            // Another hop behind it changes none of those before.
            let more = [value, b", 192.0.2.77"].concat();
            let Some(more) = of("x-forwarded-for", &more) else { return };
            if texts > 1 || value.is_ascii() {
                assert_eq!(more[0], Some(IpAddr::from([192, 0, 2, 77])));
                assert_eq!(more[1..], hops);
            }
        },
    );
}

#[test]
fn forwarded() {
    let seeds: &[&[u8]] = &[
        b"for=192.0.2.60;proto=http;by=203.0.113.43",
        b"for=192.0.2.43, for=198.51.100.17",
        b"For=\"[2001:db8:cafe::17]:4711\";host=\"a,b;c\\\"d\"",
        b"for=_hidden, for=unknown",
    ];
    let words: &[&[u8]] =
        &[b"for=", b"FOR=\"", b"by=", b"\\\"", b"\"", b";", b",", b"=", b"[::1]", b"127.0.0.1", b"host=\""];
    run("forwarded", seeds, words, |value| {
        let Ok(text) = std::str::from_utf8(value) else { return };
        for separator in [b',', b';'] {
            let parts = split(text, separator);
            let with = char::from(separator).to_string();
            assert_eq!(parts.join(&with), text, "nothing is lost");
        }
        let Some(hops) = of("forwarded", value) else { return };
        assert!(hops.len() <= text.matches(',').count() + 1);
        assert!(hops.iter().flatten().all(|ip| *ip == ip.to_canonical()));
        // An element names a client only where it says `for`.
        let says = text.to_ascii_lowercase().contains("for");
        assert!(says || hops.iter().all(Option::is_none));
        let quotes = text.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        if quotes == 0 && !text.contains('\\') {
            // Without quotes nothing hides a comma.
            assert!(
                !text.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte))
                    || hops.len() == text.matches(',').count() + 1
            );
        }
    });
}
