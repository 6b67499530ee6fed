use hardening::timeout;

type Count = u32;

#[timeout(1s)]
async fn stock(sku: &str) -> Count {
    sku.len() as u32
}

fn main() {
    let _ = stock("A-1");
}
