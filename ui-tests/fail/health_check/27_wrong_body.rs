use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check]
async fn database(pool: &Pool) -> Result<bool, String> {
    pool.ping().await.map(|()| true)
}

fn main() {
    let _ = database(&Pool);
}
