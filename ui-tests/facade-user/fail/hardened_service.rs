use company::hardening::hardened_service;

#[hardened_service]
async fn main(_setup: &mut company::hardening::Setup) -> Result<axum::Router, company::hardening::BoxError> {
    Ok(axum::Router::new())
}
