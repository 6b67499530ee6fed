use hardening::{Rejected, hardened};

trait Stock {
    #[hardened(timeout = 1s)]
    async fn stock(&self, sku: &str) -> Result<usize, Rejected>;
}

struct Shelf;

impl Stock for Shelf {
    async fn stock(&self, sku: &str) -> Result<usize, Rejected> {
        Ok(sku.len())
    }
}

fn main() {
    let _ = Shelf.stock("A-1");
}
