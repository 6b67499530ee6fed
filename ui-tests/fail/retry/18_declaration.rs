use hardening::{Rejected, retry};

trait Stock {
    #[retry(idempotent)]
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
