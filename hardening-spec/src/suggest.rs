//! The nearest known name, for every "unknown …" message.

/// The known name nearest to `given`, when it is near enough to have been meant. Names that differ too much in length are not
/// compared, so that a `given` of any length costs no more than to count it. A path that ends in `given` is as near as can be:
/// only its crate or module is missing.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    let mut word = None;
    known
        .into_iter()
        .filter_map(|name| {
            if name.strip_suffix(given).is_some_and(|path| path.ends_with("::")) {
                return Some((0, name));
            }
            let count = name.chars().count();
            let near = (count.max(length) / 3).max(1);
            // Each character that one of them has more is an edit.
            if count.abs_diff(length) > near {
                return None;
            }
            let distance = distance(word.get_or_insert_with(|| lower(given)), &lower(name));
            (distance <= near).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn lower(text: &str) -> Vec<char> {
    text.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_nothing() {
        let known = ["attempts", "backoff", "jitter", "budget"];
        assert_eq!(nearest("attempst", known), Some("attempts"));
        assert_eq!(nearest("back_off", known), Some("backoff"));
        assert_eq!(nearest("Jitter", known), Some("jitter"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(
            nearest("fetch", ["etch", "inventory_client::fetch", "prefetch"]),
            Some("inventory_client::fetch")
        );
        assert_eq!(nearest("größe", ["grösse", "größer"]), Some("größer"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn a_name_of_any_length_is_compared_in_no_time() {
        let began = std::time::Instant::now();
        for long in ["x".repeat(4 << 20), "é".repeat(4 << 20)] {
            assert_eq!(nearest(&long, ["sku", "quantity", "customer_code", "delivery_address"]), None);
        }
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
}
