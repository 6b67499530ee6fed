use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check(every = 5s)]
#[health_check(every = 10s)]
async fn database(pool: &Pool) -> Result<(), String> {
    pool.ping().await
}

fn main() {
    let _ = database(&Pool);
}
