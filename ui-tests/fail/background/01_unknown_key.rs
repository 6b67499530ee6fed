use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background(restrt = 1s..60s)]
async fn relay(pool: &Pool) -> Result<(), String> {
    pool.ping().await
}

fn main() {
    let _ = relay(&Pool);
}
