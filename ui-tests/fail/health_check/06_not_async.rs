use hardening::health_check;

struct Pool;

impl Pool {
    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

#[health_check]
fn database(pool: &Pool) -> Result<(), String> {
    drop(pool.ping());
    Ok(())
}

fn main() {
    let _ = database(&Pool);
}
