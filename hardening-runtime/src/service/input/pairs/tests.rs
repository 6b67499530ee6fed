use super::*;

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Search {
    text: String,
    page: Option<u32>,
    small: i8,
    ratio: f64,
    exact: bool,
    tags: Vec<String>,
    numbers: Vec<u8>,
    order: Order,
    letter: Option<char>,
    sku: Sku,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Up,
    Down,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
struct Sku(String);

fn read(text: &str) -> Result<Search, Unfit> {
    Pairs::of_form(text.as_bytes())?.read()
}

#[test]
fn what_fits_is_read() {
    let search = read(
        "text=a+b%20%26%C3%A9%zz&page=7&small=-3&ratio=1.5&exact=true&tags=x&order=down&tags=y&numbers=1&letter=%C3%A9&sku=s",
    );
    let expected = Search {
        text: "a b &é%zz".to_owned(),
        page: Some(7),
        small: -3,
        ratio: 1.5,
        exact: true,
        tags: vec!["x".to_owned(), "y".to_owned()],
        numbers: vec![1],
        order: Order::Down,
        letter: Some('é'),
        sku: Sku("s".to_owned()),
    };
    assert_eq!(search, Ok(expected));
    assert_eq!(read(""), Ok(Search::default()));
    assert_eq!(read("&&text=&"), Ok(Search::default()));
    assert_eq!(read("text==&").unwrap().text, "=");
}

#[test]
fn what_does_not_fit_is_named_in_plain_words() {
    for (text, place, message) in [
        ("page=x", "page", "invalid value: string \"x\", expected a whole number from 0 to 4294967295"),
        ("page=", "page", "invalid value: string \"\", expected a whole number from 0 to 4294967295"),
        ("page=-1", "page", "invalid value: string \"-1\", expected a whole number from 0 to 4294967295"),
        ("small=128", "small", "invalid value: string \"128\", expected a whole number from -128 to 127"),
        ("ratio=NaN", "ratio", "invalid value: string \"NaN\", expected a number"),
        ("ratio=1e999", "ratio", "invalid value: string \"1e999\", expected a number"),
        ("exact=yes", "exact", "invalid value: string \"yes\", expected true or false"),
        ("order=sideways", "order", "unknown variant `sideways`, expected `up` or `down`"),
        ("letter=ab", "letter", "invalid value: string \"ab\", expected a single character"),
        (
            "numbers=1&numbers=x",
            "numbers[1]",
            "invalid value: string \"x\", expected a whole number from 0 to 255",
        ),
        ("text=a&text=b", "text", "this stands more than once"),
        ("text=%FF", "text", "this is not UTF-8"),
        ("%FF=a", "", "this is not UTF-8"),
    ] {
        let unfit = read(text).unwrap_err();
        assert_eq!((unfit.place.as_str(), unfit.message.as_str()), (place, message), "{text}");
    }
    let unfit = read("txt=a").unwrap_err();
    assert!(unfit.message.starts_with("unknown field `txt`, expected one of `text`, "), "{unfit:?}");
}

#[test]
fn parts_of_a_path_are_read_by_name_by_place_or_alone() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Item {
        id: u32,
        part: String,
    }
    let parts = |values: [&'static str; 2]| Pairs::of_path(["id", "part"].into_iter().zip(values));
    assert_eq!(parts(["7", "a"]).read(), Ok(Item { id: 7, part: "a".to_owned() }));
    assert_eq!(parts(["7", "a"]).read(), Ok((7_u32, "a".to_owned())));
    assert_eq!(parts(["x", "a"]).read::<Item>().unwrap_err().place, "id");
    assert_eq!(parts(["x", "a"]).read::<(u32, String)>().unwrap_err().place, "id");
    assert!(parts(["7", "a"]).read::<(u32,)>().is_err());
    assert!(parts(["7", "a"]).read::<u32>().is_err());
    let one = |value| Pairs::of_path([("id", value)].into_iter());
    assert_eq!(one("7").read(), Ok(7_u32));
    assert_eq!(one("7").read(), Ok(Sku("7".to_owned())));
    assert_eq!(one("down").read(), Ok(Order::Down));
    assert_eq!(one("7").read(), Ok((7_u32,)));
    let unfit = one("x").read::<u32>().unwrap_err();
    assert_eq!(unfit.place, "id");
    assert!(unfit.message.ends_with("expected a whole number from 0 to 4294967295"), "{unfit:?}");
}

#[test]
fn the_longest_form_is_read_whole() {
    let text = (0..MOST).map(|number| format!("k{number}=v&")).collect::<Vec<_>>().concat();
    let all: HashMap<String, String> = Pairs::of_form(text.as_bytes()).unwrap().read().unwrap();
    assert_eq!(all.len(), MOST);
}

#[test]
fn pairs_are_bounded_by_their_number() {
    let many = |count: usize| "tags=x&&".repeat(count);
    assert_eq!(read(&many(MOST)).unwrap().tags.len(), MOST);
    let unfit = read(&many(MOST + 1)).unwrap_err();
    assert_eq!((&*unfit.place, &*unfit.message), ("", "there are more than 1000 fields"));
}
