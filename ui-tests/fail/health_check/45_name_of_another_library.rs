use hardening::{BoxError, health_check};

#[health_check(interval = 5s, type = ready, failure_threshold = 3)]
async fn stock() -> Result<(), BoxError> {
    Ok(())
}

fn main() {
    let _ = stock();
}
