use hardening::hardened;

#[hardened]
async fn statement(sku: &str) -> usize {
    let _ = sku;
}

#[hardened]
async fn empty() -> char {}

#[hardened(timeout = 1s)]
async fn semicolon(sku: &str) -> hardening::Result<usize> {
    Ok(sku.len());
}

#[hardened]
async fn unwrapped() -> Option<char> {
    'a'
}

#[hardened]
async fn too_much() {
    Ok(())
}

#[hardened]
async fn too_early(sku: &str) {
    if sku.is_empty() {
        return 1;
    }
}

fn main() {
    let _ = statement("A-1");
    let _ = empty();
    let _ = semicolon("A-1");
    let _ = unwrapped();
    let _ = too_much();
    let _ = too_early("A-1");
}
