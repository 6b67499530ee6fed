use hardening::health_check;

#[health_check(every = secs(5s))]
async fn database() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = database();
}
