use hardening::{Rejected, circuit_breaker};

struct Weight(f64);

struct Order {
    price: f64,
    weight: Weight,
}

#[circuit_breaker(key = price)]
async fn float(price: f64) -> Result<String, Rejected> {
    Ok(price.to_string())
}

#[circuit_breaker(key = (sku, order.price))]
async fn member(sku: &str, order: &Order) -> Result<String, Rejected> {
    Ok(format!("{sku} {}", order.price))
}

#[circuit_breaker(key = ((sku, price), 1))]
async fn optional(sku: &str, price: Option<f64>) -> Result<String, Rejected> {
    Ok(format!("{sku} {price:?}"))
}

#[circuit_breaker(key = (order.weight, sku))]
async fn own(sku: &str, order: &Order) -> Result<String, Rejected> {
    Ok(format!("{sku} {}", order.weight.0))
}

#[circuit_breaker(key = shop)]
async fn generic<S: Clone>(shop: &S) -> Result<String, Rejected> {
    drop(shop.clone());
    Ok(String::new())
}

fn main() {
    let order = Order { price: 1.0, weight: Weight(1.0) };
    let _ = float(1.0);
    let _ = member("A-1", &order);
    let _ = optional("A-1", Some(1.0));
    let _ = own("A-1", &order);
    let _ = generic(&1);
}
