//! JSON of another shape: which field is wrong and what it may be, in words of JSON.

use std::net::SocketAddr;

use super::support::start;
use hardening_service_tests::client::{ask, post_json};
use hardening_service_tests::service::problem;

/// What is told of the one field that is wrong: its path and what it may be.
async fn told(address: SocketAddr, body: &str) -> (String, String) {
    let told = problem(&post_json(address, "/shapes", body).await, 422);
    assert_eq!(told["title"], "Validation failed", "{body}");
    let text =
        |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("{body}: {told}")).to_owned();
    match told["errors"].as_array() {
        Some(errors) => {
            assert_eq!(errors.len(), 1, "{body}: {told}");
            (text(&errors[0]["field"]), text(&errors[0]["message"]))
        }
        None => (String::new(), text(&told["detail"])),
    }
}

#[tokio::test]
async fn a_wrong_field_is_told_what_it_may_be_without_words_of_rust() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let variants = "expected one of `plain`, `gift`, `split`, `other`";
    for (body, field, end) in [
        (r#"{"count":1.5}"#, "count", "expected a whole number from 0 to 4294967295"),
        (r#"{"small":200}"#, "small", "expected a whole number from -128 to 127"),
        (r#"{"ratio":"x, expected nothing"}"#, "ratio", "expected a number"),
        (r#"{"ratio":1e999}"#, "ratio", "the number is out of range"),
        (r#"{"flag":0}"#, "flag", "expected true or false"),
        (r#"{"letter":"ab"}"#, "letter", "expected a single character"),
        (r#"{"text":null}"#, "text", "expected a string"),
        (r#"{"port":0}"#, "port", "expected a whole number other than 0"),
        (r#"{"address":"x"}"#, "address", "invalid IP address syntax"),
        (r#"{"pair":[1]}"#, "pair", "expected a list of 2 elements"),
        (r#"{"pair":{}}"#, "pair", "expected a list of 2 elements"),
        (r#"{"pair":[1,"a",3]}"#, "pair", "too many elements"),
        (r#"{"lines":{}}"#, "lines", "expected a list"),
        (r#"{"lines":[7]}"#, "lines[0]", "expected an object"),
        (r#"{"lines":[{"sku":"a"}]}"#, "lines[0].quantity", "missing field `quantity`"),
        (r#"{"by_name":[]}"#, "by_name", "expected an object"),
        (r#"{"by_name":{"x":{"sku":7}}}"#, "by_name.x.sku", "expected a string"),
        (r#"{"by_number":{"x":{}}}"#, "by_number", "a key does not fit"),
        (r#"{"wrapped":"x"}"#, "wrapped", "expected an object"),
        (r#"{"point":[1]}"#, "point", "expected a list of 2 elements"),
        (r#"{"point":"x"}"#, "point", "expected a list"),
        (r#"{"kind":"cheap"}"#, "kind", variants),
        (r#"{"kind":{"cheap":1}}"#, "kind", variants),
        (r#"{"kind":5}"#, "kind", "this kind of value does not fit here"),
        (r#"{"kind":{"gift":7}}"#, "kind.gift", "expected an object"),
        (r#"{"kind":{"split":[1]}}"#, "kind.split", "expected a list of 2 elements"),
        (r#"{"kind":{"plain":1}}"#, "kind.plain", "expected null"),
        (
            r#"{"kind":"gift"}"#,
            "kind.gift",
            "a variant's name alone, expected an object with the variant as its only key",
        ),
        (r#"{"kind":"other"}"#, "kind.other", "expected an object with the variant as its only key"),
        (r#"{"event":{"type":"paid"}}"#, "event.amount", "missing field `amount`"),
        (r#"{"event":{"amount":1}}"#, "event.type", "missing field `type`"),
        (r#"{"event":{"type":"lost"}}"#, "event.type", "expected one of `paid`, `moved`, `sent`"),
        (r#"{"event":7}"#, "event", "expected an object"),
        (r#"{"either":[]}"#, "either", "data did not match any variant"),
        (r#"{"wait":5}"#, "wait", "expected an object"),
        (r#"{"even":"x"}"#, "even", "expected a whole number from 0 to 4294967295"),
        (r#"{"nothing":1}"#, "nothing", "expected null"),
        ("null", "", "expected an object"),
        ("\"x\"", "", "expected an object"),
    ] {
        let (place, message) = told(running.addr, body).await;
        assert!(place == field && message.ends_with(end), "{body}: {place}: {message}");
        for word in ["Inner", "Secretive", "struct", "enum", "tuple", "newtype", "u32", "::"] {
            assert!(!message.contains(word), "{body}: {message}");
        }
    }
}

#[tokio::test]
async fn the_words_of_the_type_s_author_are_kept() {
    let running = start("").await;
    let got = told(running.addr, r#"{"even":7}"#).await;
    assert_eq!(got, ("even".to_owned(), "odd, expected enum Even".to_owned()));
}

#[tokio::test]
async fn an_array_is_no_object_at_any_depth() {
    let running = start("").await;
    for (body, field) in [
        ("[]", ""),
        ("[5]", ""),
        (r#"{"best":["a",1]}"#, "best"),
        (r#"{"lines":[{"sku":"a","quantity":1},["a",1]]}"#, "lines[1]"),
        (r#"{"by_name":{"x":["a",1]}}"#, "by_name.x"),
        (r#"{"wrapped":["a",1]}"#, "wrapped"),
        (r#"{"kind":{"gift":["x"]}}"#, "kind.gift"),
        (r#"{"kind":{"other":["a",1]}}"#, "kind.other"),
        (r#"{"event":["paid",1]}"#, "event"),
        (r#"{"command":["add",{}]}"#, "command"),
        (r#"{"command":{"do":"add","with":["a",1]}}"#, "command.with"),
        (r#"{"wait":[1,0]}"#, "wait"),
    ] {
        let (place, message) = told(running.addr, body).await;
        assert!(place == field && message.ends_with("expected an object"), "{body}: {place}: {message}");
    }
}

#[tokio::test]
async fn a_field_that_is_unknown_or_stands_twice_is_named_whatever_its_name() {
    let running = start("").await;
    for (body, field) in [
        (r#"{"count":1,"count":2}"#, "count"),
        (r#"{"lines":[{"sku":"a","quantity":1,"quantity":1}]}"#, "lines[0].quantity"),
        (r#"{"inner":{"inner":1,"inner":2}}"#, "inner.inner"),
        (r#"{"kind":{"gift":{"to":"x","to":"y"}}}"#, "kind.gift.to"),
        (r#"{"colour":1}"#, "colour"),
        (r#"{"a.b":1}"#, "a.b"),
        (r#"{"x`, expected `y":1}"#, "x`, expected `y"),
    ] {
        let (place, message) = told(running.addr, body).await;
        assert_eq!(place, field, "{body}: {message}");
    }
}

#[tokio::test]
async fn what_fits_is_accepted_in_every_form() {
    let running = start("").await;
    for body in [
        "{}",
        r#"{"count":null,"small":-1,"ratio":1,"flag":true,"letter":"x","text":"x","port":1,"nothing":null}"#,
        r#"{"address":"::1","pair":[1,"x"],"point":[1,2.5],"wait":{"secs":1,"nanos":0},"even":2}"#,
        r#"{"lines":[{"sku":"a","quantity":1}],"best":{"sku":"a","quantity":1,"more":[1]}}"#,
        r#"{"by_name":{"x":{"sku":"a","quantity":1}},"by_number":{"7":{"sku":"a","quantity":1}}}"#,
        r#"{"wrapped":{"sku":"a","quantity":1},"kind":"plain","either":5,"inner":{"inner":1}}"#,
        r#"{"kind":{"plain":null},"event":{"type":"sent"},"either":"x","free":[[1],{"a":[2]}]}"#,
        r#"{"kind":{"gift":{"to":"x"}},"event":{"type":"paid","amount":1}}"#,
        r#"{"kind":{"split":[1,2]},"event":{"type":"moved","route":["a","b"]}}"#,
        r#"{"kind":{"other":{"sku":"a","quantity":1}},"command":{"do":"add","with":{"sku":"a","quantity":1}}}"#,
    ] {
        let reply = post_json(running.addr, "/shapes", body).await;
        assert_eq!(reply.status, 204, "{body}: {reply:#?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_json_and_depth_has_an_end() {
    let running = start("").await;
    for body in
        [&b"{\"text\":\"\xff\"}"[..], b"{\"\xff\":1}", b"\xff", b"{\"kind\":plain}", b"\xef\xbb\xbf{}"]
    {
        let length = body.len();
        let head = format!(
            "POST /shapes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let told = problem(&ask(running.addr, [head.as_bytes(), body].concat()).await, 400);
        assert_eq!(told["title"], "Malformed JSON", "{told}");
    }
    let deep = format!(r#"{{"either":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(told(running.addr, &deep).await, (String::new(), "nested too deeply".to_owned()));
}
