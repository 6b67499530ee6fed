//! What serde says about input, in words that a client understands.

use hardening_spec::suggest::nearest;
use serde_path_to_error::Path;

use super::problem::Problem;

/// The longest name of a field in an answer, in characters: keys of maps are the client's.
const LONGEST_NAME: usize = 200;
/// The longest message, in characters, and how much of its beginning stays of a longer one: it begins with what the client
/// wrote and ends with what was wanted.
const LONGEST: usize = 1000;
const BEGINNING: usize = 150;

/// The problem of a value that does not fit where it stands.
pub(super) fn unfit(place: &str, message: &str) -> Problem {
    wrong(Problem::validation(), place, message)
}

/// The same under another status.
pub(super) fn wrong(problem: Problem, place: &str, message: &str) -> Problem {
    let field = short_name(&blamed(place, message));
    let message = shortened(with_nearest(message));
    if field.is_empty() { problem.detail(message) } else { problem.field(field, message) }
}

/// The name of a field as an answer has room for it.
pub(super) fn short_name(field: &str) -> String {
    field.chars().take(LONGEST_NAME).collect()
}

/// A message holds what the client wrote, which may be as long as a body.
fn shortened(message: String) -> String {
    let count = message.chars().count();
    if count <= LONGEST {
        return message;
    }
    let beginning = message.chars().take(BEGINNING);
    let end = message.chars().skip(count - (LONGEST - BEGINNING));
    beginning.chain(std::iter::once('…')).chain(end).collect()
}

/// The path as JavaScript would write it, empty for the whole.
pub(super) fn field(path: &Path) -> String {
    let path = path.to_string();
    if path == "." { String::new() } else { path }
}

/// Adds the known field or variant that was meant by one that is unknown.
fn with_nearest(message: &str) -> String {
    let known = || {
        let rest = ["unknown field `", "unknown variant `"]
            .into_iter()
            .find_map(|start| message.strip_prefix(start))?;
        let (given, known) = rest.rsplit_once("`, expected ")?;
        nearest(given, known.split('`').skip(1).step_by(2))
    };
    match known() {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

/// serde ends a message with what it wanted, in the words of Rust's types.
pub(super) fn in_plain_terms(message: &str) -> String {
    if message.starts_with("data did not match any variant of untagged enum ") {
        return "data did not match any variant".to_owned();
    }
    // All others are the words of the type's author.
    let ours = ["invalid type: ", "invalid value: ", "invalid length "];
    let parts =
        message.rsplit_once(", expected ").filter(|_| ours.iter().any(|start| message.starts_with(start)));
    let Some((found, wanted)) = parts else { return message.to_owned() };
    let found =
        if found == "invalid type: unit variant" { "invalid type: a variant's name alone" } else { found };
    if let Some(count) = elements(wanted) {
        return format!("{found}, expected a list of {count}");
    }
    let start = wanted.split(' ').next().unwrap_or_default();
    let wanted = match wanted {
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" | "i128" | "isize" => "a whole number",
        "u64" | "u128" | "usize" => "a whole number from 0",
        _ if wanted.starts_with("a nonzero") => "a whole number other than 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "a character" => "a single character",
        "unit" => "null",
        "string or map" | "enum" => "the name of a variant, or an object with it as its only key",
        "map with a single key" | "newtype variant" | "tuple variant" | "struct variant" => {
            "an object with the variant as its only key"
        }
        _ if matches!(start, "struct" | "internally" | "adjacently") => "an object",
        _ if wanted.starts_with("tuple struct") || wanted.starts_with("tuple variant") => "a list",
        _ if wanted.starts_with("unit struct") => "null",
        _ if wanted.starts_with("enum ") => "the name of a variant, or an object with it as its only key",
        // The name of a Rust type, whoever wrote it.
        _ if wanted.contains("::") => "another kind of value",
        other => other,
    };
    format!("{found}, expected {wanted}")
}

/// How many elements a list of a fixed length has: "a tuple of size 2", "an array of length 2", "tuple struct Point
/// with 2 elements".
fn elements(wanted: &str) -> Option<String> {
    let fixed = ["a tuple of size ", "an array of length "];
    let size = match fixed.iter().find_map(|start| wanted.strip_prefix(start)) {
        Some(size) => size,
        None => wanted.strip_prefix("tuple ")?.split_once(" with ")?.1.split(' ').next()?,
    };
    let size: usize = size.parse().ok()?;
    Some(format!("{size} element{}", if size == 1 { "" } else { "s" }))
}

/// The path of the field that a message is about. A missing field is reported at the object that lacks it, an
/// unknown one at itself, or at its object where serde has buffered that, and one that stands twice at its object.
fn blamed(place: &str, message: &str) -> String {
    let Some(name) = named_field(message) else { return place.to_owned() };
    // A key may hold dots itself.
    let ends = place.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    let own = ends && message.starts_with("unknown");
    match place {
        "" => name.to_owned(),
        _ if own => place.to_owned(),
        _ => format!("{place}.{name}"),
    }
}

/// "missing field `quantity`", "duplicate field `quantity`" and "unknown field `quantity`, expected …".
fn named_field(message: &str) -> Option<&str> {
    let rest = ["missing", "unknown", "duplicate"]
        .into_iter()
        .find_map(|what| message.strip_prefix(what)?.strip_prefix(" field `"))?;
    // What the client calls a field may hold anything; what the type calls it does not.
    let end = rest.rfind("`, expected ").or_else(|| rest.rfind("`, there are no fields"));
    Some(&rest[..end.or_else(|| rest.rfind('`'))?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_told() {
        for (message, meant) in [
            ("unknown field `quantiy`, expected `sku` or `quantity`", Some("quantity")),
            ("unknown field `a`, expected one of `sku`, `x`, `quantity`", Some("x")),
            ("unknown field `colour`, there are no fields", None),
            ("unknown field `x`, expected `y`, expected `quantity` or `z`", None),
            ("unknown variant `fats`, expected `slow` or `fast`", Some("fast")),
            ("missing field `quantity`", None),
        ] {
            let told = with_nearest(message);
            let end = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            assert_eq!(told, format!("{message}{end}"));
        }
    }

    #[test]
    fn of_what_the_client_wrote_no_more_is_told_than_is_of_use() {
        let long = "é".repeat(500_000);
        for (message, start, end) in [
            (
                format!("unknown field `{long}`, expected `sku` or `quantity`"),
                "unknown field `é",
                "é`, expected `sku` or `quantity`",
            ),
            (
                format!("invalid type: string \"{long}\", expected a number"),
                "invalid type: string \"é",
                "é\", expected a number",
            ),
        ] {
            let body = String::from_utf8(unfit(&long, &message).body(None)).unwrap();
            assert!(body.len() < 4000, "{}", body.len());
            let told: serde_json::Value = serde_json::from_str(&body).unwrap();
            let told = told["errors"][0]["message"].as_str().unwrap();
            assert!(told.starts_with(start) && told.ends_with(end) && told.contains('…'), "{told}");
        }
        assert_eq!(shortened("x".repeat(LONGEST)), "x".repeat(LONGEST));
    }

    #[test]
    fn missing_and_unknown_fields_are_named() {
        for (place, message, field) in [
            ("", "missing field `a`", "a"),
            ("lines[1]", "missing field `a`", "lines[1].a"),
            ("a", "missing field `a`", "a.a"),
            ("a", "unknown field `a`, expected `b`", "a"),
            ("lines[1].a", "unknown field `a`, there are no fields", "lines[1].a"),
            ("lines[1]", "unknown field `a`, expected `b`", "lines[1].a"),
            ("lines[1].b", "invalid value", "lines[1].b"),
        ] {
            assert_eq!(blamed(place, message), field, "{place} {message}");
        }
        assert_eq!(named_field("missing field `quantity`"), Some("quantity"));
        assert_eq!(named_field("unknown field `qty`, expected `sku` or `quantity`"), Some("qty"));
        assert_eq!(named_field("invalid type: string, expected u32"), None);
    }
}
