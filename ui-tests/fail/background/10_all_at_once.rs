use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background(restrt = 5s, order = -1, name = " ")]
async fn relay(pool: Pool) {
    drop(pool.ping().await);
}

fn main() {
    let _ = relay(Pool);
}
