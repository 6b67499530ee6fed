use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check(every = 1s, timeout = 5s)]
async fn database(pool: &Pool) -> Result<(), String> {
    pool.ping().await
}

fn main() {
    let _ = database(&Pool);
}
