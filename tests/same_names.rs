//! Two calls, checks or tasks of one name, or of one name in the environment: settings, metrics and logs could not tell
//! them apart, so nothing starts.
#![cfg(feature = "service")]

use axum::Router;
use hardening::{Rejected, hardened_service, timeout};

mod orders {
    use super::{Rejected, timeout};

    pub(crate) struct Cheap;
    pub(crate) struct Dear;

    impl Cheap {
        #[timeout(1s)]
        pub(crate) async fn price(&self) -> Result<u32, Rejected> {
            Ok(1)
        }
    }

    impl Dear {
        #[timeout(2s)]
        pub(crate) async fn price(&self) -> Result<u32, Rejected> {
            Ok(2)
        }
    }
}

/// In the environment both are `STOCK_LEFT`.
#[timeout(3s)]
async fn stock_left() -> Result<u32, Rejected> {
    Ok(3)
}

#[hardening::hardened(name = "stock::left", timeout = 4s)]
async fn left() -> Result<u32, Rejected> {
    Ok(4)
}

mod east {
    #[hardening::health_check]
    async fn database() -> hardening::Result<()> {
        Ok(())
    }

    #[hardening::background(order = 1)]
    async fn relay() -> hardening::Result<()> {
        Ok(())
    }
}

mod west {
    #[hardening::health_check(every = 9s)]
    async fn database() -> hardening::Result<()> {
        Ok(())
    }

    #[hardening::background(order = 2)]
    async fn relay() -> hardening::Result<()> {
        Ok(())
    }

    /// In the environment it is `RELAY` as well.
    #[hardening::background(name = "Relay", order = 3)]
    async fn again() -> hardening::Result<()> {
        Ok(())
    }
}

#[hardened_service(name = "twins")]
async fn twins() -> Router {
    Router::new()
}

/// The lines of this file on which `text` stands.
fn lines(text: &str) -> Vec<usize> {
    let source = include_str!("same_names.rs").lines().zip(1..);
    source.filter(|(line, _)| line.trim() == text).map(|(_, number)| number).collect()
}

#[test]
fn drills_find_calls_of_one_name_without_a_start() {
    let report = hardening::testing::drill();
    let broken: Vec<_> = report.broken().filter(|promise| promise.policy == "hardened").collect();
    let mut names: Vec<_> = broken.iter().map(|promise| promise.call).collect();
    names.sort_unstable();
    assert_eq!(names, ["orders::price", "stock_left"], "{report}");
    let first = lines("#[timeout(1s)]")[0];
    let other = |line: usize| {
        format!("cannot tell it from `orders::price` at tests/same_names.rs:{line}: write `name = \"…\"`")
    };
    assert!((first..first + 2).any(|line| report.to_string().contains(&other(line))), "{report}");
}

#[tokio::test]
async fn the_start_is_refused_with_both_places() {
    // The calls themselves work.
    assert_eq!((orders::Cheap.price().await, orders::Dear.price().await), (Ok(1), Ok(2)));
    assert_eq!((stock_left().await, left().await), (Ok(3), Ok(4)));
    let refused = twins().start().await.unwrap_err();
    assert_eq!(refused.problems().len(), 5, "{refused}");
    let tasks = "write `name = \"…\"` in the `#[background]` of one";
    for (parts, count) in [
        (
            [
                "two health checks are named `database`",
                "write `name = \"…\"` in the `#[health_check]` of one",
            ],
            1,
        ),
        (["two background tasks are named `relay`", tasks], 1),
        (
            [
                "the background tasks `Relay` and `relay` are both `HARDENING_TASK__RELAY__…` in the environment",
                tasks,
            ],
            1,
        ),
    ] {
        let with = |problem: &&String| parts.iter().all(|part| problem.contains(part));
        assert_eq!(refused.problems().iter().filter(with).count(), count, "{parts:?} in {refused}");
    }
    let refused = refused.to_string();
    for part in ["`orders::price`", "write `name = \"…\"`", "HARDENING_CALL__STOCK_LEFT__", "stock::left"] {
        assert!(refused.contains(part), "`{part}` is not in {refused}");
    }
    // The place is the attribute's line, or the function's next to it.
    let places =
        |first: usize| (first..first + 2).any(|line| refused.contains(&format!("same_names.rs:{line}")));
    let line = |attribute: &str| lines(attribute)[0];
    for attribute in [
        "#[hardening::health_check]",
        "#[hardening::health_check(every = 9s)]",
        "#[hardening::background(order = 1)]",
        "#[hardening::background(order = 2)]",
    ] {
        assert!(places(line(attribute)), "{attribute}: {refused}");
    }
    let (cheap, dear) = (lines("#[timeout(1s)]"), lines("#[timeout(2s)]"));
    assert!(places(cheap[0]) && places(dear[0]), "{refused}");
}
