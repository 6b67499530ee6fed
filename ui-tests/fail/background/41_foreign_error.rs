use axum::http::StatusCode;
use axum::response::Response;
use hardening::background;

#[background]
async fn nothing() -> Result<(), ()> {
    Ok(())
}

#[background]
async fn pair() -> Result<(), (StatusCode, String)> {
    Ok(())
}

#[background]
async fn response() -> Result<(), Response> {
    Ok(())
}

fn main() {
    let _ = nothing();
    let _ = pair();
    let _ = response();
}
