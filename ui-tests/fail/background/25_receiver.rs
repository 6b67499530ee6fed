use hardening::background;

struct Pool;

impl Pool {
    #[background]
    async fn relay(&self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {
    let _ = Pool.relay();
}
