use hardening::{Rejected, retry};

#[derive(Clone, Debug)]
struct Order {
    lines: Vec<String>,
}

impl Order {
    #[retry(idempotent)]
    async fn described(mut self) -> Result<String, Rejected> {
        self.lines.sort();
        Ok(format!("{self:?}"))
    }
}

fn main() {
    let _ = Order { lines: Vec::new() }.described();
}
