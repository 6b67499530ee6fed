use hardening::{Rejected, idempotent};

struct Shop(usize);

impl Shop {
    #[idempotent]
    async fn stock(&self) -> Result<usize, Rejected> {
        Ok(self.0)
    }
}

fn main() {
    let _ = Shop(1).stock();
}
