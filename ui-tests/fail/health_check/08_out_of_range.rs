use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check(every = 0s, up_after = 0, name = "")]
async fn database(pool: &Pool) -> Result<(), String> {
    pool.ping().await
}

fn main() {
    let _ = database(&Pool);
}
