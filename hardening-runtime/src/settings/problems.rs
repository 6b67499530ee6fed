//! How many of many problems are listed.

/// The first problems of many, and how many more there are: a log that repeats one mistake for every line of a file hides
/// everything else.
pub(crate) fn first(mut problems: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 20;
    let more = problems.len().saturating_sub(SHOWN);
    if more > 0 {
        problems.truncate(SHOWN);
        problems.push(format!("{more} more problems are not listed"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_beyond_the_first_twenty_are_counted() {
        let some: Vec<String> = (0..20).map(|at| at.to_string()).collect();
        assert_eq!(first(some.clone()), some);
        let many = first((0..25).map(|at| at.to_string()).collect());
        assert_eq!(many[..20], some);
        assert_eq!(many[20..], ["5 more problems are not listed"]);
    }
}
