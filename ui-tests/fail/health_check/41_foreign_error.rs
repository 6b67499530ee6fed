use axum::http::StatusCode;
use axum::response::Response;
use hardening::health_check;

#[health_check]
async fn nothing() -> Result<(), ()> {
    Ok(())
}

#[health_check]
async fn pair() -> Result<(), (StatusCode, String)> {
    Ok(())
}

#[health_check]
async fn response() -> Result<(), Response> {
    Ok(())
}

fn main() {
    let _ = nothing();
    let _ = pair();
    let _ = response();
}
