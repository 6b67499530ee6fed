//! The same libraries in a program without a service: what the program declares itself keeps its short name.

use hardening::{Rejected, timeout};

#[timeout(1s)]
async fn fetch(sku: &str) -> Result<usize, Rejected> {
    Ok(inventory_client::fetch(sku).await? + price_client::fetch(sku).await?)
}

#[tokio::test]
async fn without_a_service_the_package_of_the_program_is_the_own_one() {
    fetch("a").await.unwrap();
    for name in ["fetch", "inventory_client::fetch", "price_client::fetch", "price_client::lookup"] {
        assert!(hardening::catalogue::site(name).is_some_and(|site| site.name() == name), "{name}");
    }
    // In code the name with the crate in front is understood wherever the function is.
    let site = hardening::catalogue::site("policies::fetch").unwrap();
    assert_eq!(site.name(), "fetch");
    assert!(hardening::catalogue::site("lookup").is_none());
    assert!(hardening::circuit("inventory_client::UPSTREAM").is_ok());
}
