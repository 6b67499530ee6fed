use hardening::{Rejected, retry};

/// Only the macro knows what its strings are.
macro_rules! text {
    ($text:literal) => {
        format!($text)
    };
}

#[derive(Clone, Debug)]
struct Order {
    lines: Vec<String>,
}

impl Order {
    #[retry(idempotent)]
    async fn described(mut self) -> Result<String, Rejected> {
        self.lines.sort();
        Ok(text!("{self:?}"))
    }
}

fn main() {
    let _ = Order { lines: Vec::new() }.described();
}
