use hardening::{Rejected, hedged};

#[hedged(after = p95, idempotent)]
async fn parameter<T>(sku: T) -> Result<String, Rejected>
where
    T: Into<String> + Send,
{
    Ok(sku.into())
}

#[hedged(after = p95, idempotent)]
async fn opaque(skus: impl Iterator<Item = u8> + Send) -> Result<usize, Rejected> {
    Ok(skus.count())
}

fn main() {
    let _ = parameter("A-1");
    let _ = opaque([1].into_iter());
}
