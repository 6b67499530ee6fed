//! Input of every kind: what fits reaches the handler, what does not is named.

use axum::Router;
use axum::routing::{get, post};
use garde::Validate;
use hardening::{Form, Json, Path, Query, Running, Setup, Valid, hardened_service};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::Dependencies;
use hardening_service_tests::client::{Reply, ask, get as fetch, request};
use hardening_service_tests::service::problem;

#[hardened_service(name = "counter")]
async fn counter(setup: &mut Setup) -> Router {
    // What the checks of this binary ask every service for.
    setup.provide(Dependencies::default());
    Router::new()
        .route(
            "/orders",
            post(async |Valid(Json(order)): Valid<Json<Order>>| {
                order.note.unwrap_or_else(|| order.lines.len().to_string())
            }),
        )
        .route("/loose", post(async |Json(value): Json<Value>| value.to_string()))
        .route("/form", post(async |Valid(Form(search)): Valid<Form<Search>>| search.text))
        .route("/search", get(async |Valid(Query(search)): Valid<Query<Search>>| told(&search)))
        .route("/tolerant", get(async |Query(tolerant): Query<Tolerant>| tolerant.page.to_string()))
        .route("/items/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route(
            "/shops/{shop}/items/{item}",
            get(async |Path((shop, item)): Path<(String, u8)>| format!("{shop} {item}")),
        )
        .route("/rooms/{room}", get(async |Valid(Path(room)): Valid<Path<Room>>| room.room.to_string()))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Order {
    #[garde(length(chars, min = 3, max = 10), ascii)]
    customer_code: String,
    #[garde(length(min = 1, max = 200), dive)]
    lines: Vec<OrderLine>,
    #[serde(default)]
    #[garde(skip)]
    note: Option<String>,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrderLine {
    #[garde(range(min = 1, max = 100))]
    line_quantity: i64,
    #[garde(range(min = 0.0, max = 1e6))]
    price: f64,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Search {
    #[garde(length(min = 1, max = 5))]
    text: String,
    #[serde(default)]
    #[garde(length(max = 2), inner(range(max = 9)))]
    tags: Vec<u8>,
    #[serde(default)]
    #[garde(skip)]
    exact: bool,
}

#[derive(Deserialize)]
struct Tolerant {
    page: u16,
}

#[derive(Deserialize, Validate)]
struct Room {
    #[garde(range(max = 100))]
    room: u16,
}

fn told(search: &Search) -> String {
    format!("{} {:?} {}", search.text, search.tags, search.exact)
}

async fn start() -> Running {
    counter()
        .with_settings("[http]\nrate_limit = 'none'")
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn send(running: &Running, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let length = body.len().to_string();
    let head = request("POST", path, &[("content-type", kind), ("content-length", &length)], "");
    ask(running.addr, [head.as_bytes(), body].concat()).await
}

/// The fields that are named, each with what is wrong; the detail stands for the whole.
#[track_caller]
fn named(reply: &Reply, status: u16) -> Vec<(String, String)> {
    let members = problem(reply, status);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match members["errors"].as_array() {
        Some(errors) => errors.iter().map(|error| (text(&error["field"]), text(&error["message"]))).collect(),
        None => vec![(String::new(), text(&members["detail"]))],
    }
}

#[tokio::test]
async fn each_field_that_breaks_a_rule_is_named_as_it_was_sent() {
    let running = start().await;
    let good = json!({"customerCode": "abc", "lines": [{"lineQuantity": 1, "price": 0.5}]});
    let reply = send(&running, "/orders", "application/json", good.to_string()).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "1"));
    let bad = json!({
        "customerCode": "\u{e9}", "note": null,
        "lines": [{"lineQuantity": 1, "price": 1}, {"lineQuantity": 0, "price": -1}],
    });
    let mut fields = named(&send(&running, "/orders", "application/json", bad.to_string()).await, 422);
    fields.sort();
    let names: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        names,
        ["customerCode", "customerCode", "lines[1].lineQuantity", "lines[1].price"],
        "{fields:?}"
    );
    assert!(fields.iter().all(|(_, message)| !message.is_empty()), "{fields:?}");
}

#[tokio::test]
async fn one_answer_names_a_bounded_number_of_fields() {
    let running = start().await;
    let line = json!({"lineQuantity": 0, "price": 1});
    let body = json!({"customerCode": "abc", "lines": vec![line; 200]});
    let reply = send(&running, "/orders", "application/json", body.to_string()).await;
    assert_eq!(named(&reply, 422).len(), 50);
    assert_eq!(reply.json()["detail"], "150 more fields are wrong.");
    assert!(reply.body.len() < 10_000, "{}", reply.body.len());
}

#[tokio::test]
async fn odd_json_is_refused_for_what_it_is() {
    let running = start().await;
    let order = |rest: &str| format!(r#"{{"customerCode":"abc","lines":[]{rest}}}"#);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, status, field, message) in [
        (order("").into_bytes(), 422, "lines", "length is lower than 1"),
        (order(r#","lines":[]"#).into_bytes(), 422, "lines", "duplicate field `lines`"),
        (order(r#","nott":1"#).into_bytes(), 422, "nott", "did you mean `note`?"),
        (
            order(r#","colour":1"#).into_bytes(),
            422,
            "colour",
            "expected one of `customerCode`, `lines`, `note`",
        ),
        (
            br#"{"customerCode":"abc","lines":[{"lineQuantity":1,"price":1e999}]}"#.to_vec(),
            422,
            "lines[0].price",
            "the number is out of range",
        ),
        (
            br#"{"customerCode":"abc","lines":[{"lineQuantity":99999999999999999999,"price":1}]}"#.to_vec(),
            422,
            "lines[0].lineQuantity",
            "expected a whole number",
        ),
        (
            br#"{"customerCode":"abc","lines":[{"lineQuantity":1.5,"price":1}]}"#.to_vec(),
            422,
            "lines[0].lineQuantity",
            "expected a whole number",
        ),
        (
            br#"{"customerCode":"abc","lines":[{"lineQuantity":1,"price":NaN}]}"#.to_vec(),
            400,
            "",
            "The body is not JSON: line 1, column 58.",
        ),
        (format!(r#"{{"note":{deep}}}"#).into_bytes(), 422, "note", "expected a string"),
        (deep.clone().into_bytes(), 422, "", "expected an object"),
        (
            [b"\xef\xbb\xbf", order("").as_bytes()].concat(),
            400,
            "",
            "The body is not JSON: line 1, column 1.",
        ),
        (b"{\"customerCode\":\"\xff\xfe\",\"lines\":[]}".to_vec(), 400, "", "The body is not JSON"),
        (
            br#"{"customerCode":"\ud800","lines":[]}"#.to_vec(),
            422,
            "customerCode",
            "an escape stands for no character",
        ),
        (b"".to_vec(), 400, "", "The body is not JSON"),
    ] {
        let reply = send(&running, "/orders", "application/json", &body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let fields = named(&reply, status);
        assert_eq!(fields.len(), 1, "{shown}: {fields:?}");
        assert_eq!(fields[0].0, field, "{shown}: {fields:?}");
        assert!(fields[0].1.contains(message), "{shown}: {fields:?}");
        assert!(reply.body.len() < 1000, "{shown}: {}", reply.body.len());
        for word in ["OrderLine", "Order ", "struct", "i64", "f64", "::"] {
            assert!(!fields[0].1.contains(word), "{word}: {}", reply.body);
        }
    }
    // What takes anything takes it as far as JSON goes.
    let reply = send(&running, "/loose", "application/json", &deep).await;
    assert!(named(&reply, 422)[0].1.contains("nested too deeply"));
    let twice = send(&running, "/loose", "application/json", r#"{"a":1,"a":2}"#).await;
    assert_eq!(twice.body, r#"{"a":2}"#, "the last one of two in a map");
}

#[tokio::test]
async fn queries_are_read_and_every_mistake_is_named() {
    let running = start().await;
    for (query, status, told) in [
        ("text=abc&tags=1&tags=2&exact=true", 200, "abc [1, 2] true"),
        ("text=a+b%C3%A9", 200, "a b\u{e9} [] false"),
        ("", 400, "text: missing field `text`"),
        (
            "text=abc&txet=1",
            400,
            "txet: unknown field `txet`, expected one of `text`, `tags`, `exact`; did you mean `text`?",
        ),
        ("text=a&text=b", 400, "text: this stands more than once"),
        (
            "text=a&tags=1&tags=300",
            400,
            "tags[1]: invalid value: string \"300\", expected a whole number from 0 to 255",
        ),
        ("text=a&exact=yes", 400, "exact: invalid value: string \"yes\", expected true or false"),
        ("text=%FF", 400, "text: this is not UTF-8"),
        ("text=abcdef", 422, "text: length is greater than 5"),
        ("text=a&tags=10", 422, "tags[0]: greater than 9"),
        ("text=a&tags=1&tags=2&tags=3", 422, "tags: length is greater than 2"),
    ] {
        let reply = fetch(running.addr, &format!("/search?{query}")).await;
        if status == 200 {
            assert_eq!((reply.status, reply.body.as_str()), (200, told), "{query}");
        } else {
            let fields = named(&reply, status);
            assert_eq!(fields.len(), 1, "{query}: {fields:?}");
            assert_eq!(format!("{}: {}", fields[0].0, fields[0].1), told, "{query}");
        }
    }
    assert_eq!(fetch(running.addr, "/tolerant?page=7&utm_source=x").await.body, "7");
}

#[tokio::test]
async fn fields_of_forms_and_queries_are_bounded_by_their_number() {
    let running = start().await;
    let many = |count: usize| (0..count).map(|at| format!("&n{at}=1")).collect::<Vec<_>>().concat();
    let reply = send(&running, "/form", "application/x-www-form-urlencoded", many(100_000)).await;
    assert_eq!(problem(&reply, 422)["detail"], "there are more than 1000 fields");
    let query = "&a".repeat(1001);
    let reply = fetch(running.addr, &format!("/tolerant?page=7{query}")).await;
    assert_eq!(problem(&reply, 400)["detail"], "there are more than 1000 fields");
    let query = "&a".repeat(999);
    assert_eq!(fetch(running.addr, &format!("/tolerant?page=7{query}")).await.body, "7");
}

#[tokio::test]
async fn parts_of_paths_are_read_and_named() {
    let running = start().await;
    for (path, status, told) in [
        ("/items/7", 200, "7"),
        ("/items/x", 400, "id"),
        ("/items/-1", 400, "id"),
        ("/items/%FF", 400, ""),
        ("/items/4294967296", 400, "id"),
        ("/shops/north/items/7", 200, "north 7"),
        ("/shops/north/items/256", 400, "item"),
        ("/shops/n%2Fs/items/1", 200, "n/s 1"),
        ("/rooms/7", 200, "7"),
        ("/rooms/x", 400, "room"),
        ("/rooms/101", 422, "room"),
    ] {
        let reply = fetch(running.addr, path).await;
        if status == 200 {
            assert_eq!((reply.status, reply.body.as_str()), (200, told), "{path}");
        } else {
            assert_eq!(named(&reply, status)[0].0, told, "{path}: {reply:?}");
            assert!(!reply.body.contains("u32") && !reply.body.contains("u8"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_told_which_one_is_taken() {
    let running = start().await;
    let form = "application/x-www-form-urlencoded";
    for (path, kind, taken) in [
        ("/orders", form, "application/json"),
        ("/orders", "text/json", "application/json"),
        ("/form", "application/json", form),
        ("/form", "multipart/form-data", form),
    ] {
        let reply = send(&running, path, kind, "text=a").await;
        let told = problem(&reply, 415);
        assert_eq!(reply.header("accept"), Some(taken), "{path} {kind}");
        assert_eq!(told["detail"], format!("Send `content-type: {taken}`."));
    }
    assert_eq!(send(&running, "/form", form, "text=a%20b").await.body, "a b");
    assert_eq!(send(&running, "/form", &format!("{form}; charset=utf-8"), "text=a").await.status, 200);
    assert_eq!(named(&send(&running, "/form", form, "text=a&colour=1").await, 422)[0].0, "colour");
    assert_eq!(named(&send(&running, "/form", form, "text=toolong").await, 422)[0].0, "text");
}

#[tokio::test]
async fn what_is_told_of_input_is_short_however_long_the_input_is() {
    let running = counter().with_settings("[http]\nrate_limit = 'none'").start().await.unwrap();
    let long = "://".repeat(300_000);
    let key = format!(r#"{{"customerCode":"abc","lines":[],"{long}":1}}"#);
    let value = format!(r#"{{"customerCode":"abc","lines":"{long}"}}"#);
    let number = format!(r#"{{"customerCode":"abc","lines":[{{"lineQuantity":"{long}"}}]}}"#);
    for body in [key, value, number] {
        let reply = send(&running, "/orders", "application/json", &body).await;
        problem(&reply, 422);
        assert!(reply.body.len() < 5000, "{} bytes", reply.body.len());
    }
    running.shutdown().await;
}
