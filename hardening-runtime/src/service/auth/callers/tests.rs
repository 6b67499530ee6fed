use super::*;

const KEY: &str = "a-key-of-twenty-four-and-more";

fn hex(key: &str) -> String {
    Sha::of(key).0.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn file(rest: &str) -> String {
    format!("[[key]]\nid = \"till\"\nsha256 = \"{}\"\n{rest}", hex(KEY))
}

#[test]
fn a_key_is_who_the_file_says() {
    let text = file(
        "scopes = [\"orders:read\", \"orders:write\"]\ntenant = \"shop-7\"\n[client.\"spiffe://shop/till\"]\nscopes = [\"x\"]\n",
    );
    let callers = Callers::read("keys.toml", &text).unwrap();
    let caller = callers.by_key(KEY, 0).unwrap();
    assert_eq!(caller.principal.id, "till");
    assert!(caller.principal.holds("orders:read") && !caller.principal.holds("orders"));
    assert_eq!(caller.tenant.as_deref(), Some("shop-7"));
    for wrong in ["", "a", &KEY[1..], &hex(KEY), &KEY.to_uppercase()] {
        assert_eq!(callers.by_key(wrong, 0).unwrap_err(), NoKey::Unknown, "{wrong}");
    }
    let client = callers.by_certificate(&Principal::new("spiffe://shop/till"));
    assert!(client.principal.holds("x") && client.tenant.is_none());
    let nobody = callers.by_certificate(&Principal::new("spiffe://shop/other"));
    assert!(nobody.principal.scopes.is_empty());
    assert!(!format!("{callers:?}").contains(&hex(KEY)[..8]), "no digest is shown");
}

#[test]
fn a_key_expires_and_may_have_a_successor_of_its_name() {
    let text = file(&format!(
        "expires = 2027-01-31T12:00:00Z\n[[key]]\nid = \"till\"\nsha256 = \"{}\"\n",
        hex("another-key-of-twenty-four")
    ));
    let callers = Callers::read("keys.toml", &text).unwrap();
    // date -u -d 2027-01-31T12:00:00Z +%s
    let end = 1_801_396_800;
    assert!(callers.by_key(KEY, end - 1).is_ok());
    assert_eq!(callers.by_key(KEY, end).unwrap_err(), NoKey::Expired);
    assert_eq!(callers.by_key("another-key-of-twenty-four", end).unwrap().principal.id, "till");
    assert_eq!(callers.expired(end).collect::<Vec<_>>(), ["till"]);
    assert_eq!(callers.expired(end - 1).count(), 0);
}

#[test]
fn moments_are_those_of_the_calendar() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("1970-03-01", Some(59 * 86_400)),
        ("2000-02-29T23:59:59Z", Some(951_868_799)),
        ("2026-11-21T15:00:00+01:30", Some(1_795_267_800)),
        ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
        ("2027-01-31T12:00:00", None),
        ("12:00:00", None),
        ("1969-12-31T23:59:59Z", None),
    ] {
        assert_eq!(super::seconds(&text.parse().unwrap()), seconds, "{text}");
    }
}

#[test]
fn a_short_key_is_not_taken_although_its_digest_is_there() {
    let text = format!("[[key]]\nid = \"till\"\nsha256 = \"{}\"\n", hex("hunter2"));
    let callers = Callers::read("keys.toml", &text).unwrap();
    assert_eq!(callers.by_key("hunter2", 0).unwrap_err(), NoKey::Short);
}

#[test]
fn what_does_not_fit_is_named_with_its_line_and_never_shown() {
    let md5 = "5d41402abc4b2a76b9719d911017c592";
    for (text, line, part) in [
        ("[[key]]\nid = \"a\"\nsha256 = \"hunter2\"".to_owned(), 3, "not the SHA-256"),
        (format!("[[key]]\nid = \"a\"\nsha256 = \"{md5}\""), 3, "too weak"),
        ("[[key]]\nid = \"a\"\nsha256 = \"$2b$12$hunter2\"".to_owned(), 3, "password"),
        (format!("[[key]]\nid = \"a\"\nsha256 = \"{}\"", "0".repeat(64)), 3, "digest of nothing"),
        (format!("[[key]]\nid = \"a\"\nsha256 = \"{}\"", hex("")), 3, "digest of nothing"),
        (format!("[[key]]\nid = \"a\"\nsha256 = \"{}\"", "+f".repeat(32)), 3, "not the SHA-256"),
        ("[[key]]\nid = \"a\"".to_owned(), 1, "`sha256` is missing"),
        (format!("[[key]]\nsha256 = \"{}\"", hex(KEY)), 1, "`id` is missing"),
        (file("scope = [\"a\"]"), 4, "did you mean `scopes`?"),
        (file("scopes = \"a\""), 4, "a list such as"),
        (file("scopes = [\"a b\"]"), 4, "holds a space"),
        (file("expires = \"soon\""), 4, "2027-01-31"),
        (file("expires = 2027-01-31T12:00:00"), 4, "2027-01-31"),
        (file(&file("")), 6, "the key of `till` as well"),
        ("[keys]\na = 1".to_owned(), 1, "did you mean `key`?"),
        ("[key]\nid = \"a\"".to_owned(), 1, "[[key]]"),
        ("[client.\"a\"]\nsha256 = \"x\"".to_owned(), 2, "unknown key `sha256`"),
        (file("tenant = \"-\""), 4, "at most 512 bytes"),
        (file("tenant = \"north\u{200b}\""), 4, "at most 512 bytes"),
        (format!("[[key]]\nid = \" a\"\nsha256 = \"{}\"", hex(KEY)), 2, "at most 512 bytes"),
        (format!("[[key]]\nid = \"-\"\nsha256 = \"{}\"", hex(KEY)), 2, "at most 512 bytes"),
        ("[client.\"a\\u202eb\"]\nscopes = []".to_owned(), 1, "no certificate has this name"),
        ("[[key]\n".to_owned(), 1, "not TOML"),
    ] {
        let problems = Callers::read("keys.toml", &text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let problem = &problems[0];
        assert!(problem.starts_with(&format!("keys.toml:{line}: ")), "{text}: {problem}");
        assert!(problem.contains(part), "{text}: {problem}");
        assert!(!problem.contains("hunter2") && !problem.contains(md5), "{problem}");
    }
}
