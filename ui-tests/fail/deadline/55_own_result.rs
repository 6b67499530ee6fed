use hardening::deadline;

struct Result {
    count: usize,
}

#[deadline(1s)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}
