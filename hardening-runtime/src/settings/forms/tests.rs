use super::*;

fn of(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn sizes_read_and_show() {
    for (text, size, shown) in [
        ("1MiB", 1_048_576, "1MiB"),
        ("16 KiB", 16_384, "16KiB"),
        ("2MB", 2_000_000, "2000000B"),
        ("1000", 1000, "1000B"),
        ("2GiB", 1 << 31, "2GiB"),
    ] {
        assert_eq!(bytes(&of(text)), Ok(size), "{text}");
        assert_eq!(show_bytes(&size), shown);
    }
    for text in ["0", "-1", "1XB", "MiB", "", "99999999999GiB"] {
        assert!(bytes(&of(text)).unwrap_err().contains("`1MiB`"), "{text}");
    }
}

#[test]
fn addresses() {
    for text in ["127.0.0.1:8080", "[::1]:80", "0.0.0.0:0", "localhost:8080"] {
        assert_eq!(address(&of(text)), Ok(text.to_owned()));
    }
    for text in ["8080", ":8080", "127.0.0.1", "127.0.0.1:99999", "300.0.0.1:80", "http://x:80", "a b:80"] {
        assert!(address(&of(text)).unwrap_err().contains("127.0.0.1:8080"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn sockets_and_the_permissions_of_their_files() {
    assert!(address(&of("unix:/run/orders.sock")).is_ok());
    assert!(address(&of("unix:orders.sock")).unwrap_err().contains("the whole path"));
    assert!(address(&of("unix:")).unwrap_err().contains("the whole path"));
    let long = format!("unix:/{}", "x".repeat(120));
    assert!(address(&of(&long)).unwrap_err().contains("this one has 121"));
    for (text, bits) in [("660", 0o660), ("0600", 0o600), ("0o777", 0o777), ("000", 0)] {
        assert_eq!(mode(&of(text)), Ok(bits), "{text}");
        assert_eq!(mode(&of(&show_mode(&bits))), Ok(bits));
    }
    for value in [of("66"), of("888"), of("1777"), of("rw-"), of("-660"), Value::Int(660)] {
        assert!(mode(&value).unwrap_err().contains("`660`"), "{value:?}");
    }
}

#[test]
fn lists_come_from_files_and_with_commas_from_the_environment() {
    let nets = networks(&of("10.0.0.0/8, ::1")).unwrap();
    assert_eq!(nets, networks(&Value::List(vec!["10.0.0.0/8".into(), "::1".into()])).unwrap());
    assert!(networks(&of("10.0.0.0/33")).unwrap_err().contains("10.0.0.0/33"));
    assert_eq!(texts(&of("")), Ok(vec![]));
}

#[test]
fn rates_show_as_they_are_written() {
    for text in ["100/min", "5/s", "10/250ms", "none"] {
        assert_eq!(show_rate(&rate_or_none(&of(text)).unwrap()), text);
    }
}

#[test]
fn fields_are_pairs_with_what_is_reserved_in_per_cent() {
    let read = |text: &str| {
        let shown = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let pairs = fields_of(text)?;
        Some(pairs.iter().map(|(name, value)| (name.to_string(), shown(value))).collect::<Vec<_>>())
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(read("a=1, B-c=Bearer%20x%3Dy=z"), Some(vec![pair("a", "1"), pair("b-c", "Bearer x=y=z")]));
    assert_eq!(read(""), Some(vec![]));
    for text in ["a", "a b=1", "a=%", "a=%zz", "a=%0a"] {
        assert_eq!(read(text), None, "{text}");
        assert!(fields(&of(text)).is_err());
    }
    assert_eq!(format!("{:?}", fields(&of("a=hunter2"))), "Ok([redacted])");
}

#[test]
fn urls_are_whole_and_never_repeated_in_a_message() {
    assert_eq!(url(&of("")), Ok(String::new()));
    assert_eq!(url(&of("https://a:1/b")), Ok("https://a:1/b".to_owned()));
    for text in ["a:1", "ftp://hunter2/", "http://u:hunter2@a/", "/hunter2"] {
        assert!(!url(&of(text)).unwrap_err().contains("hunter2"), "{text}");
    }
}

#[test]
fn log_levels() {
    assert!(log_filter(&of("info,hyper=warn")).is_ok());
    assert!(log_filter(&of("loud")).unwrap_err().contains("`error`"));
}
