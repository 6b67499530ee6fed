use hardening::{Rejected, bulkhead};

struct Weight(f64);

struct Order {
    price: f64,
    weight: Weight,
}

#[bulkhead(max = 10, key = price)]
async fn float(price: f64) -> Result<String, Rejected> {
    Ok(price.to_string())
}

#[bulkhead(max = 10, key = (sku, order.price))]
async fn member(sku: &str, order: &Order) -> Result<String, Rejected> {
    Ok(format!("{sku} {}", order.price))
}

#[bulkhead(max = 10, key = ((sku, price), 1))]
async fn optional(sku: &str, price: Option<f64>) -> Result<String, Rejected> {
    Ok(format!("{sku} {price:?}"))
}

#[bulkhead(max = 10, key = (order.weight, sku))]
async fn own(sku: &str, order: &Order) -> Result<String, Rejected> {
    Ok(format!("{sku} {}", order.weight.0))
}

#[bulkhead(max = 10, key = shop)]
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
