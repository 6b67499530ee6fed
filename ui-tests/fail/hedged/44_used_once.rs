use hardening::{Rejected, hedged};
use tokio::sync::mpsc::Receiver;

struct Conn(usize);

type Lent<'a> = &'a mut Conn;

#[hedged(after = 50ms, idempotent)]
async fn alias(conn: Lent<'_>) -> Result<usize, Rejected> {
    conn.0 += 1;
    Ok(conn.0)
}

#[hedged(after = 50ms, idempotent)]
async fn optional(conn: Option<&mut Conn>) -> Result<usize, Rejected> {
    Ok(conn.map_or(0, |conn| conn.0))
}

#[hedged(after = 50ms, idempotent)]
async fn once(made: impl FnOnce() -> usize) -> Result<usize, Rejected> {
    Ok(made())
}

#[hedged(after = 50ms, idempotent)]
async fn bound<F: FnMut(usize) -> usize>(mut made: F) -> Result<usize, Rejected> {
    Ok(made(1))
}

#[hedged(after = 50ms, idempotent)]
async fn boxed(made: Box<dyn FnOnce(&str) -> usize + Send>) -> Result<usize, Rejected> {
    Ok(made(""))
}

#[hedged(after = 50ms, idempotent)]
async fn future(made: impl Future<Output = usize>) -> Result<usize, Rejected> {
    Ok(made.await)
}

#[hedged(after = 50ms, idempotent)]
async fn receiver(mut made: Receiver<usize>) -> Result<usize, Rejected> {
    Ok(made.recv().await.unwrap_or(0))
}

fn main() {
    let _ = alias(&mut Conn(1));
    let _ = optional(Some(&mut Conn(1)));
    let _ = once(|| 1);
    let _ = bound(|n| n);
    let _ = boxed(Box::new(str::len));
    let _ = future(async { 1 });
    let _ = receiver(tokio::sync::mpsc::channel(1).1);
}
