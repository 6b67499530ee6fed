use hardening::health_check;

#[health_check("database", 5s, ready)]
async fn database() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = database();
}
