//! A client of an inventory.

use hardening::{Rejected, background, circuit_breaker, hardened, health_check, policy, timeout};

policy! {
    /// The inventory's circuit.
    pub static UPSTREAM: CircuitBreaker = { failure_rate = 50%, window = 10s };
}

/// How many there are.
#[circuit_breaker(UPSTREAM)]
#[timeout(1s)]
pub async fn fetch(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

/// The same by another name, which another library has as well.
#[hardened(name = "lookup", timeout = 1s)]
pub async fn find(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

/// Whether the call can be found by its name from here, wherever this library is used.
pub fn knows_its_call() -> bool {
    hardening::catalogue::site("inventory_client::fetch").is_some()
        && hardening::circuit("inventory_client::UPSTREAM").is_ok()
}

#[health_check]
async fn database() -> hardening::Result<()> {
    Ok(())
}

#[background]
async fn refresh() -> hardening::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_short_in_the_tests_of_their_own_package() {
        for name in ["fetch", "lookup"] {
            assert!(hardening::catalogue::site(name).is_some_and(|site| site.name() == name), "{name}");
        }
        assert!(super::knows_its_call() && hardening::circuit("UPSTREAM").is_ok());
    }
}
