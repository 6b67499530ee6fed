use std::borrow::Cow;

use super::*;

#[test]
fn names_of_secrets() {
    for name in [
        "password",
        "PASSWORD",
        "db_password",
        "db.password",
        "X-Api-Key",
        "apiKey",
        "clientSecret",
        "client-secret",
        "AWS_SECRET_ACCESS_KEY",
        "Authorization",
        "proxy-authorization",
        "Set-Cookie",
        "access_token",
        "accessToken",
        "X-Amz-Signature",
        "sig",
        "passwd",
        "private_key",
        "jwt",
        "session-id",
        "HARDENING_DB__PASSWORD",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "",
        "token_count",
        "tokens",
        "secretary",
        "design",
        "keyboard",
        "key",
        "path",
        "monkey",
        "passwords_seen",
        "broken",
        "nonsecret",
        "cookies",
        "user",
        "assign",
        "status",
        "request_id",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn each_word_is_found_by_its_last_letters() {
    let words = words::all();
    assert!(words.len() > 20 && words.iter().all(|word| is_secret(word)), "{words:?}");
}

#[test]
fn names_of_ones_own() {
    assert!(!is_secret("employee-iban"));
    add_name(" Iban ");
    assert!(is_secret("iban") && is_secret("employee-iban") && !is_secret("cariban"));
    assert_eq!(text("iban=DE02120300000000202051 ok"), "iban=[redacted] ok");
}

#[test]
fn secrets_in_texts() {
    for (written, told) in [
        // URLs.
        (
            "connect to postgres://app:hunter2@db:5432/x failed",
            "connect to postgres://[redacted]@db:5432/x failed",
        ),
        ("https://ghp_abc@git.example/x", "https://[redacted]@git.example/x"),
        ("redis://:p@ss@h/0", "redis://[redacted]@h/0"),
        ("postgres://u:p/a@h/x", "postgres://[redacted]@h/x"),
        (
            "GET https://a.example/x?user=1&access_token=abc&y=2",
            "GET https://a.example/x?user=1&access_token=[redacted]&y=2",
        ),
        ("/x?api_key=abc#f", "/x?api_key=[redacted]"),
        ("https://s3.example/b?X-Amz-Signature=12ab", "https://s3.example/b?X-Amz-Signature=[redacted]"),
        // Names and values.
        ("password=hunter2, user=a", "password=[redacted], user=a"),
        ("password: hunter2; user: a", "password: [redacted]; user: a"),
        ("password = 'hun ter2' host=b", "password = '[redacted]' host=b"),
        ("{\"password\":\"hun\\\"ter2\",\"a\":1}", "{\"password\":\"[redacted]\",\"a\":1}"),
        (
            "body {\\\"token\\\": \\\"abc\\\", \\\"a\\\": 1}",
            "body {\\\"token\\\": \\\"[redacted]\\\", \\\"a\\\": 1}",
        ),
        ("Config { password: \"hunter2\", host: \"h\" }", "Config { password: \"[redacted]\", host: \"h\" }"),
        (
            "Config { password: Some(\"hunter2\"), host: \"h\" }",
            "Config { password: [redacted], host: \"h\" }",
        ),
        ("tokens: 3, token: [1, 2], x", "tokens: 3, token: [redacted], x"),
        ("token: (\"a)b\", 2), x", "token: [redacted], x"),
        ("secret => abc", "secret => [redacted]"),
        ("pin {'pwd': 'x'}", "pin {'pwd': '[redacted]'}"),
        ("api_key=", "api_key="),
        ("password: \"hunter2", "password: \"[redacted]"),
        // Headers.
        ("Authorization: Bearer abc def\nHost: x", "Authorization: [redacted]\nHost: x"),
        ("cookie: a=1; b=2\r\nhost: x", "cookie: [redacted]\r\nhost: x"),
        (
            "{\"authorization\": \"Basic dXNlcjpwYXNz\", \"host\": \"x\"}",
            "{\"authorization\": \"[redacted]\", \"host\": \"x\"}",
        ),
        ("(\"x-api-key\", \"abc\")", "(\"x-api-key\", \"[redacted]\")"),
        // Forms.
        ("sent Bearer abcd1234efgh to x", "sent Bearer [redacted] to x"),
        ("sent basic dXNlcjpwYXNz", "sent basic [redacted]"),
        ("sent Bearer hunter2.", "sent Bearer [redacted]"),
        ("sent bearer very-secret-token, again", "sent bearer [redacted], again"),
        ("Bearer abcdefghijklmnopqrstuvwx", "Bearer [redacted]"),
        ("got eyJhbGciOiJI.eyJzdWIiOiIx.c2ln now", "got [redacted] now"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a [redacted] b"),
        ("a -----BEGIN PRIVATE KEY-----\nMII", "a [redacted]"),
        ("password=é§ ü", "password=[redacted] ü"),
    ] {
        assert_eq!(text(written), told);
        // Twice is no more than once.
        assert!(matches!(text(told), Cow::Borrowed(_)), "{told}: {}", text(told));
    }
}

#[test]
fn what_is_no_secret_stays_and_is_not_copied() {
    for plain in [
        "",
        "listening on 127.0.0.1:8080",
        "at 2026-01-01T00:00:00Z: call orders::price failed: timeout",
        "secret::Error and token::Kind",
        "what `secret://file/run/secrets/key` refers to",
        "Bearer authentication is missing; basic understanding",
        "Bearer is basic and basic...",
        "no Bearer authentication.",
        "https://a.example:443/@scope/pkg?x=1",
        "http://[::1]:80/a@b",
        "password authentication failed for user \"app\"",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        "key=value, user: someone, tokens=12",
        "a == b, c: d",
        "unknown field `password`, expected `user`",
        "é: ü = ß @ \u{1F600}",
    ] {
        assert!(matches!(text(plain), Cow::Borrowed(_)), "{plain}: {}", text(plain));
    }
}

#[test]
fn values_that_were_referred_to_are_found_wherever_they_stand() {
    remember("correct horse \"battery\"");
    remember("ab");
    assert_eq!(text("refused: correct horse \"battery\"!"), "refused: [redacted]!");
    assert_eq!(text("refused: \"correct horse \\\"battery\\\"\""), "refused: \"[redacted]\"");
    assert_eq!(text("about"), "about");
}

#[test]
fn a_value_that_is_in_force_outlives_any_number_of_others() {
    // Of its own, since other tests remember values too.
    static OWN: Values = Values::new();
    let told = |text: &str| OWN.without(text).unwrap_or_else(|| text.to_owned());
    let others = || (0..200).for_each(|other| OWN.remember(&format!("other-value-{other}")));
    let pinned = || Pin::new(&OWN, "pinned-value");
    OWN.remember("forgotten-value");
    OWN.keep("setting-of-a-start");
    let (first, second) = (pinned(), pinned());
    others();
    drop(first);
    others();
    assert_eq!(told("forgotten-value"), "forgotten-value");
    assert_eq!(told("pinned-value setting-of-a-start"), "[redacted] [redacted]");
    drop(second);
    assert_eq!(told("pinned-value"), "[redacted]", "it may still be on its way");
    others();
    assert_eq!(told("pinned-value"), "pinned-value");
    assert_eq!(told("setting-of-a-start"), "[redacted]");
    // A thousand settings of other loads are in force no longer.
    for load in 0..1100 {
        OWN.keep(&format!("setting-of-load-{load}"));
        OWN.keep("setting-of-each-load");
    }
    assert_eq!(told("setting-of-a-start"), "setting-of-a-start");
    assert_eq!(told("setting-of-each-load"), "[redacted]");
}

#[test]
fn a_value_is_found_however_it_is_written() {
    let value = "p/ss w=r'd \"\u{1b}x";
    remember(value);
    let json = serde_json::Value::from(value).to_string();
    for written in [
        format!("to {value}"),
        format!("to {}", &format!("{value:?}")[1..]).replace("x\"", "x"),
        format!("to {}", &json[1..json.len() - 1]),
        "to p%2Fss%20w%3Dr%27d%20%22%1Bx".to_owned(),
        "to p%2fss%20w%3dr%27d%20%22%1bx".to_owned(),
        "to p%2Fss+w%3Dr%27d+%22%1Bx".to_owned(),
        "to p\\/ss w\\u003Dr\\u0027d \\u0022\\u001bx".to_owned(),
        "to p%252Fss%2520w%253Dr%2527d%2520%2522%251Bx".to_owned(),
        "to p&#47;ss w=r&#x27;d &quot;\u{1b}x".to_owned(),
        "to p%2Fss%20w%3Dr&apos;d%20%5C%22%5Cu001bx".to_owned(),
    ] {
        assert_eq!(text(&written), "to [redacted]", "{written}");
    }
    // As mail writes it, with a line that goes on, and in base64 and hex, alone and with a name, also where that is escaped again.
    for written in [
        "to p/ss w=3Dr'd \"=1Bx".to_owned(),
        "to p/ss w=3Dr'=\r\nd \"=1Bx".to_owned(),
        "to p/ss=20w=3Dr=27d=\n=20=22=1Bx".to_owned(),
        "to cC9zcyB3PXInZCAiG3g=".to_owned(),
        "to YTpwL3NzIHc9cidkICIbeA==".to_owned(),
        "to YTpwL3NzIHc9cidkICIbeA%3D%3D".to_owned(),
        "to 702f737320773d72276420221b78".to_owned(),
        "to 702F737320773D72276420221B78".to_owned(),
    ] {
        assert!(
            !text(&written).contains("p/ss") && text(&written).starts_with("to [redacted]"),
            "{written}: {}",
            text(&written)
        );
    }
    let nested = serde_json::Value::from(json).to_string();
    assert!(!text(&nested).contains("p/ss"), "{nested}");
}

#[test]
fn only_what_has_the_form_of_a_reference_is_spared() {
    for (written, told) in [
        ("password = \"secret://file/run/x\"", "password = \"secret://file/run/x\""),
        ("password: secret://env/DB, x", "password: secret://env/DB, x"),
        ("password=secret://hunter2 && rm", "password=[redacted] && rm"),
        ("password: \"secret://hunter2 && rm\"", "password: \"[redacted]\""),
        ("password: \"secret://env/A hunter2\"", "password: \"[redacted]\""),
        ("authorization: secret://env/A hunter2", "authorization: [redacted]"),
        ("password = \"${NAME}hunter2\"", "password = \"[redacted]\""),
        ("password = ${NAME}hunter2", "password = [redacted]"),
        ("--password swordfish run", "--password [redacted] run"),
        ("tool --db-password\tswordfish run", "tool --db-password\t[redacted] run"),
        ("use --password to set it", "use --password to set it"),
    ] {
        assert_eq!(text(written), told);
    }
}

#[test]
fn any_text_is_survived_and_redacted_once_and_for_all() {
    let parts = [
        "password",
        "=",
        ":",
        "\"",
        "\\",
        "'",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "://",
        "@",
        "/",
        "é",
        " ",
        "\n",
        "Bearer ",
        "eyJ",
        ".",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----END ",
        "a1B2c3D4",
        ",",
        "Some",
        "token",
        "&",
        "?",
        "[redacted]",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let written: String = (0..random.usize(1..12)).map(|_| parts[random.usize(..parts.len())]).collect();
        let _ = text(&written).len();
    }
}

#[test]
fn a_planted_value_never_survives_its_name() {
    let mut random = fastrand::Rng::with_seed(5);
    let names = words::all();
    for _ in 0..5_000 {
        let secret: String = (0..12).map(|_| random.alphanumeric()).collect();
        let name = names[random.usize(..names.len())];
        let around = [
            format!("{name}={secret}"),
            format!("{name}: {secret}"),
            format!("{{\"{name}\":\"{secret}\"}}"),
            format!("{name}: Some(\"{secret}\")"),
            format!("https://h/?a=1&{name}={secret}&b=2"),
            format!("amqp://{name}:{secret}@h"),
            format!("(\"{name}\", \"{secret}\")"),
        ];
        for written in around {
            assert!(!text(&written).contains(&secret), "{written}: {}", text(&written));
        }
    }
}

#[cfg(feature = "service")]
#[test]
fn whatever_a_value_holds_it_is_found_in_json_and_in_debug() {
    let every: String =
        ('\0'..='\u{a0}').filter(|c| !c.is_whitespace()).chain("é\u{2028}\u{1f600}x".chars()).collect();
    remember(&every);
    for written in [serde_json::Value::from(&*every).to_string(), format!("{every:?}")] {
        assert_eq!(text(&written), "\"[redacted]\"", "{written}");
        assert_eq!(text(&format!("{written:?}")), "\"\\\"[redacted]\\\"\"", "{written:?}");
    }
}
