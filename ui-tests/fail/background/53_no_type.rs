use hardening::background;

#[background]
async fn sweep(state) -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = sweep(1);
}
