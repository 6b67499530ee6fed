//! A client of a price list.

use hardening::{Rejected, background, circuit_breaker, hardened, health_check, policy, timeout};

policy! {
    /// The price list's circuit.
    pub static UPSTREAM: CircuitBreaker = { failure_rate = 50%, window = 10s };
}

/// What it costs.
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

/// Prices of today.
#[derive(Debug)]
pub struct Today;

impl Today {
    /// One of two methods of one name: a mistake of this library that its users cannot mend.
    #[timeout(1s)]
    pub async fn total(&self) -> Result<usize, Rejected> {
        Ok(1)
    }
}

/// Prices of tomorrow.
#[derive(Debug)]
pub struct Tomorrow;

impl Tomorrow {
    /// The other.
    #[timeout(2s)]
    pub async fn total(&self) -> Result<usize, Rejected> {
        Ok(2)
    }
}

#[health_check]
async fn database() -> hardening::Result<()> {
    Ok(())
}

#[background]
async fn refresh() -> hardening::Result<()> {
    Ok(())
}
