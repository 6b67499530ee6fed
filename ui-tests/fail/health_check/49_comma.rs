use hardening::health_check;

#[health_check(every = 5s timeout = 1s)]
async fn database() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = database();
}
