use hardening::hedged;

#[hedged(after = 10, budget = 200%)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}
