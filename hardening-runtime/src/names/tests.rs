use super::*;

const fn declared(krate: &'static str, module: &'static str, written: &'static str, line: u32) -> Declared {
    Declared { written, module, krate, file: "src/lib.rs", line }
}

fn own(packages: &[&'static str]) -> Own {
    Own::Packages(packages.iter().copied().collect())
}

fn names(own: &Own, all: &[Declared]) -> Vec<&'static str> {
    settle(own, all).0
}

#[test]
fn foreign_names_have_their_crate_in_front_and_own_ones_have_not() {
    let all = [
        declared("shop", "shop", "fetch", 1),
        declared("shop", "main", "orders::price", 2),
        declared("inventory-client", "inventory_client", "fetch", 3),
        declared("price-client", "price_client::http", "http::fetch", 4),
        // Written by an author who thought of it.
        declared("price-client", "price_client", "price_client::list", 5),
    ];
    assert_eq!(
        names(&own(&["shop"]), &all),
        [
            "fetch",
            "orders::price",
            "inventory_client::fetch",
            "price_client::http::fetch",
            "price_client::list"
        ]
    );
    assert_eq!(names(&Own::Everything, &all[..2]), ["fetch", "orders::price"]);
}

#[test]
fn a_module_that_is_called_as_its_crate_keeps_its_place_in_the_path() {
    let all = [
        declared("orders", "orders::fetch", "fetch", 1),
        declared("orders", "orders::orders::fetch", "orders::fetch", 2),
        // Written by hand, in any module.
        declared("orders", "orders::orders", "orders::list", 3),
    ];
    assert_eq!(names(&own(&["shop"]), &all), ["orders::fetch", "orders::orders::fetch", "orders::list"]);
    assert!(all[0].is_full("orders::fetch") && all[1].is_full("orders::orders::fetch"));
    assert!(!all[1].is_full("orders::fetch") && all[2].is_full("orders::list"));
}

#[test]
fn a_foreign_name_that_is_in_use_gets_a_number_in_an_order_that_stays() {
    let all = [
        declared("prices", "prices", "total", 9),
        declared("prices", "prices", "total", 4),
        // A module of the program as the crate is called, and a name that is the same in the environment.
        declared("shop", "shop::prices", "prices::list", 1),
        declared("prices", "prices", "list", 5),
        declared("price", "price", "s::total", 1),
        declared("shop", "shop", "prices_total_2", 1),
    ];
    let (names, renamed) = settle(&own(&["shop"]), &all);
    assert_eq!(
        names,
        [
            "prices::total#3",
            "prices::total",
            "prices::list",
            "prices::list#2",
            "price::s::total",
            "prices_total_2"
        ]
    );
    let renamed: Vec<_> = renamed.into_iter().map(|renamed| (renamed.name, renamed.declared.line)).collect();
    assert_eq!(renamed, [("prices::list#2", 5), ("prices::total#3", 9)]);
    // Whatever order the linker leaves them in.
    let mut turned = all;
    turned.reverse();
    let mut again = settle(&own(&["shop"]), &turned).0;
    again.reverse();
    assert_eq!(again, names);
}

#[test]
fn services_of_two_packages_that_have_one_name_have_their_crates_in_front() {
    let all = [
        declared("shop", "shop::fetch", "fetch", 1),
        declared("office", "office::fetch", "fetch", 1),
        declared("shop", "shop::price", "price", 2),
        declared("prices", "prices::fetch", "fetch", 1),
    ];
    let (names, renamed) = settle(&own(&["shop", "office"]), &all);
    assert_eq!(names, ["shop::fetch", "office::fetch", "price", "prices::fetch"]);
    let renamed: Vec<_> = renamed.into_iter().map(|renamed| renamed.name).collect();
    assert_eq!(renamed, ["office::fetch", "shop::fetch"]);
}

#[test]
fn two_own_names_that_are_alike_are_left_to_the_start() {
    let all = [declared("shop", "shop", "price", 1), declared("shop", "shop", "price", 2)];
    assert_eq!(settle(&own(&["shop"]), &all), (vec!["price", "price"], Vec::new()));
}

#[test]
fn own_packages_are_those_of_services_then_that_of_the_program_then_the_only_one() {
    let place = |krate, program| Place::named("price", "price", krate, "src/lib.rs", 1, program);
    let of = |services: &[&'static str], places: &[Place]| Own::of(services.iter().copied(), places.iter());
    let (library, program, other) = (place("prices", false), place("shop", true), place("stock", false));
    assert_eq!(of(&["shop"], &[library, program, other]), own(&["shop"]));
    assert_eq!(of(&["office"], &[library, program, other]), own(&["office"]));
    assert_eq!(of(&[], &[library, program, other]), own(&["shop"]));
    assert_eq!(of(&[], &[library, other]), own(&[]));
    assert_eq!(of(&[], &[library, library]), Own::Everything);
    assert_eq!(of(&[], &[]), Own::Everything);
}

#[test]
fn the_name_with_the_crate_in_front_is_recognised() {
    let price = declared("price-client", "price_client", "price", 1);
    let list = declared("price-client", "price_client", "price_client::list", 1);
    assert!(price.is_full("price_client::price") && list.is_full("price_client::list"));
    for name in ["price", "price_client", "price_client::", "other::price", "price_client::list"] {
        assert!(!price.is_full(name), "{name}");
    }
}
