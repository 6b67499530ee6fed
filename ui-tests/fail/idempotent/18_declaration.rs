use hardening::{Rejected, idempotent};

trait Shop {
    #[idempotent]
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
