use hardening::background;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[background]
fn relay(pool: &Pool) -> Result<(), String> {
    drop(pool.ping());
    Ok(())
}

fn main() {
    let _ = relay(&Pool);
}
