use hardening::health_check;

#[health_check]
async fn database(state) -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = database(1);
}
