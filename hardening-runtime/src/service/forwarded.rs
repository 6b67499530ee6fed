//! The addresses in fields that proxies write: a list of them, or `forwarded` of RFC 7239.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

/// What the hops of a request wrote of whom they were asked by, the last hop first. `None` for what is no address.
pub(super) fn hops<'h>(
    headers: &'h HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = Option<IpAddr>> + use<'h> {
    let is_forwarded = *field == FORWARDED;
    // Fields of one name are one list; each is read from its end, as far as it is asked for.
    headers.get_all(field).iter().rev().flat_map(move |value| {
        let hops: Box<dyn Iterator<Item = Option<IpAddr>>> = match value.to_str() {
            Err(_) => Box::new(std::iter::once(None)),
            Ok(list) if is_forwarded => Box::new(split(list, b',').into_iter().rev().map(client_of)),
            Ok(list) => Box::new(list.rsplit(',').map(|hop| address(hop.trim()))),
        };
        hops
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(hop: &str) -> Option<IpAddr> {
    let alone = || hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
    let address = alone().or_else(with_port).or_else(|| in_brackets().map(IpAddr::V6));
    address.map(|ip| ip.to_canonical())
}

/// The address after `for=` in an element of `forwarded`; `None` where there is none, or more than one.
fn client_of(element: &str) -> Option<IpAddr> {
    let mut clients = split(element, b';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let client = clients.next().filter(|_| clients.next().is_none())?;
    match client.strip_prefix('"') {
        None => address(client),
        Some(quoted) => address(&unquoted(quoted)?),
    }
}

/// What stands in quotes of which the first has been taken; `None` where the last is missing, or something comes behind it.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(text),
            '\\' => text.push(letters.next()?),
            letter => text.push(letter),
        }
    }
}

/// The parts of a list between separators that are not in quotes.
fn split(list: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut began) = (Vec::new(), 0);
    let (mut in_quotes, mut escaped) = (false, false);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            byte if byte == separator && !in_quotes => {
                parts.push(&list[began..at]);
                began = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[began..]);
    parts
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &'static str, values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(field, value.parse().unwrap());
        }
        let shown = |hop: Option<IpAddr>| hop.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        hops(&headers, &HeaderName::from_static(field)).map(shown).collect()
    }

    #[test]
    fn lists_are_read_from_their_end_over_all_fields_of_the_name() {
        let list =
            ["203.0.113.5, 192.0.2.1:80", "[2001:db8::1]:80,[2001:db8::2] ,2001:db8::3,::ffff:192.0.2.9"];
        let hops = ["192.0.2.9", "2001:db8::3", "2001:db8::2", "2001:db8::1", "192.0.2.1", "203.0.113.5"];
        assert_eq!(read("x-forwarded-for", &list), hops);
        assert_eq!(read("cf-connecting-ip", &["203.0.113.5"]), ["203.0.113.5"]);
        assert_eq!(read("x-forwarded-for", &[]), [""; 0]);
        for rubbish in
            ["unknown", "", "1", "203.0.113", "[203.0.113.5]", "2001:db8::1%eth0", "for=203.0.113.5"]
        {
            assert_eq!(read("x-forwarded-for", &[rubbish]), ["-"], "{rubbish}");
        }
    }

    #[test]
    fn forwarded_is_read_by_its_grammar() {
        for (value, hops) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"][..]),
            ("for=192.0.2.43, for=198.51.100.17", &["198.51.100.17", "192.0.2.43"]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("proto=https;FOR=\"192.0.2.1:80\"", &["192.0.2.1"]),
            ("for=\"192.0.2.\\1\"", &["192.0.2.1"]),
            // A comma in quotes divides nothing, nor does a semicolon.
            ("for=192.0.2.1;host=\"a,for=6.6.6.6\"", &["192.0.2.1"]),
            ("for=192.0.2.1;host=\"a;for=6.6.6.6\"", &["192.0.2.1"]),
            ("for=192.0.2.1;host=\"a\\\",for=6.6.6.6\"", &["192.0.2.1"]),
            ("for=unknown", &["-"]),
            ("for=_hidden, for=192.0.2.1", &["192.0.2.1", "-"]),
            ("for=192.0.2.1;for=6.6.6.6", &["-"]),
            ("for=\"192.0.2.1", &["-"]),
            ("for=\"192.0.2.1\"6", &["-"]),
            ("by=192.0.2.1", &["-"]),
            ("192.0.2.1", &["-"]),
            ("", &["-"]),
        ] {
            assert_eq!(read("forwarded", &[value]), hops, "{value}");
        }
    }

    #[test]
    fn whatever_is_sent_is_read_and_what_we_write_is_read_back() {
        let mut random = fastrand::Rng::with_seed(13);
        let alphabet: Vec<char> = "for=FOR\"\\;,:.[]_ 0123456789abcdef%é".chars().collect();
        for _ in 0..20_000 {
            let text: String = (0..random.usize(..40)).map(|_| random.choice(&alphabet).unwrap()).collect();
            let parts = split(&text, b',');
            assert_eq!(parts.join(","), text);
            let _ = parts.into_iter().map(client_of).count();
            let _ = address(&text);
            let ip = IpAddr::V6(std::net::Ipv6Addr::from_bits(random.u128(..)));
            let written: String = format!("[{ip}]:80").chars().flat_map(|letter| ['\\', letter]).collect();
            assert_eq!(
                client_of(&format!("by=\"{}\";for=\"{written}\"", text.replace(['"', '\\'], ""))),
                Some(ip.to_canonical())
            );
        }
    }
}
