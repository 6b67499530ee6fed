use hardening::hardened;

#[hardened(timeout = 1s)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}
