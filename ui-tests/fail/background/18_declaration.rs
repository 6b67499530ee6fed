use hardening::background;

trait Task {
    #[background]
    async fn relay() -> Result<(), String>;
}

struct Pool;

impl Task for Pool {
    async fn relay() -> Result<(), String> {
        Ok(())
    }
}

fn main() {
    let _ = Pool::relay();
}
