use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

struct Broken(String);

#[health_check]
async fn database(pool: &Pool) -> Result<(), Broken> {
    pool.ping().await.map_err(Broken)
}

fn main() {
    let _ = database(&Pool);
}
