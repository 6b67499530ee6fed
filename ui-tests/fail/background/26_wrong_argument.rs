use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background]
async fn relay(pool: &mut Pool, limit: u32) -> Result<(), String> {
    drop(limit);
    pool.ping().await
}

fn main() {
    let _ = relay(&mut Pool, 1);
}
