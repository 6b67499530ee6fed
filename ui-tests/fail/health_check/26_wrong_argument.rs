use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check]
async fn database(pool: &mut Pool, limit: u32) -> Result<(), String> {
    drop(limit);
    pool.ping().await
}

fn main() {
    let _ = database(&mut Pool, 1);
}
