use hardening::background;

#[background]
async fn relay<P>(pool: &P) -> Result<(), String> {
    drop(pool);
    Ok(())
}

fn main() {
    let _ = relay(&1);
}
