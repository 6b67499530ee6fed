use hardening::deadline;

#[deadline(3s)]
async fn stock(sku: &str) {
    drop(sku.to_owned());
}

fn main() {
    let _ = stock("A-1");
}
