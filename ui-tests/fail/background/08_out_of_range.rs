use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background(restart = 0s, name = "")]
async fn relay(pool: &Pool) -> Result<(), String> {
    pool.ping().await
}

fn main() {
    let _ = relay(&Pool);
}
