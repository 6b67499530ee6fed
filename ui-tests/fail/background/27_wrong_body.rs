use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background]
async fn relay(pool: &Pool) -> Result<bool, String> {
    pool.ping().await.map(|()| true)
}

fn main() {
    let _ = relay(&Pool);
}
