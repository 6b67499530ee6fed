use hardening::health_check;

trait Check {
    #[health_check]
    async fn database() -> Result<(), String>;
}

struct Pool;

impl Check for Pool {
    async fn database() -> Result<(), String> {
        Ok(())
    }
}

fn main() {
    let _ = Pool::database();
}
