use hardening::{Rejected, retry};

struct Cart {
    lines: Vec<String>,
}

impl Cart {
    #[retry(idempotent)]
    async fn add(&mut self, sku: &str) -> Result<&String, Rejected> {
        self.lines.push(sku.to_owned());
        Ok(&self.lines[0])
    }
}

fn main() {
    let mut cart = Cart { lines: Vec::new() };
    let _ = cart.add("A-1");
}
