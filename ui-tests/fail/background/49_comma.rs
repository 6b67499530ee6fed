use hardening::background;

#[background(restart = 1s..60s order = 2)]
async fn sweep() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = sweep();
}
