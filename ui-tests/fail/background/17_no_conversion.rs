use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

struct Broken(String);

#[background]
async fn relay(pool: &Pool) -> Result<(), Broken> {
    pool.ping().await.map_err(Broken)
}

fn main() {
    let _ = relay(&Pool);
}
