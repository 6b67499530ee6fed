use hardening::background;

#[background(never)]
async fn sweep() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = sweep();
}
