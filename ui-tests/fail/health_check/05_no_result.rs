use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check]
async fn database(pool: &Pool) {
    drop(pool.ping().await);
}

fn main() {
    let _ = database(&Pool);
}
