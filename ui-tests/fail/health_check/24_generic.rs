use hardening::health_check;

#[health_check]
async fn database<P>(pool: &P) -> Result<(), String> {
    drop(pool);
    Ok(())
}

fn main() {
    let _ = database(&1);
}
