use hardening::{BoxError, health_check};

#[health_check]
async fn statement() -> Result<(), BoxError> {
    let _ = 1;
}

#[health_check]
async fn empty() -> Result<(), BoxError> {}

fn main() {
    let _ = statement();
    let _ = empty();
}
