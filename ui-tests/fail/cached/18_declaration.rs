use hardening::{Rejected, cached};

trait Shop {
    #[cached(ttl = 30s, key = 0)]
    async fn stock(&self) -> Result<usize, Rejected>;
}

struct Corner;

impl Shop for Corner {
    async fn stock(&self) -> Result<usize, Rejected> {
        Ok(1)
    }
}

fn main() {
    let _ = Corner.stock();
}
