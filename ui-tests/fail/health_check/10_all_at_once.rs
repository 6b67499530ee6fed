use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check(evry = 5s, timeout = 0s, kind = fatal)]
async fn database(pool: Pool) {
    drop(pool.ping().await);
}

fn main() {
    let _ = database(Pool);
}
