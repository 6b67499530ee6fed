use hardening::{Rejected, cached};

struct Shop(usize);

impl Shop {
    #[cached(ttl = 30s, key = sku)]
    async fn stock(&self, sku: String) -> Result<usize, Rejected> {
        Ok(sku.len() + self.0)
    }
}

fn main() {
    let _ = Shop(1).stock("A-1".to_owned());
}
