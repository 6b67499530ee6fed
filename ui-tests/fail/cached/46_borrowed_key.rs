use std::borrow::Cow;

use hardening::{Rejected, cached};

#[derive(Clone, Hash, PartialEq, Eq)]
struct Sku<'a>(&'a str);

struct Line<'a> {
    sku: Sku<'a>,
}

#[cached(ttl = 30s, key = sku)]
async fn argument(sku: Sku<'_>) -> Result<usize, Rejected> {
    Ok(sku.0.len())
}

#[cached(ttl = 30s, key = (amount, sku))]
async fn nested(sku: Option<&Sku<'_>>, amount: Cow<'_, str>) -> Result<usize, Rejected> {
    Ok(sku.map_or(0, |sku| sku.0.len()) + amount.len())
}

#[cached(ttl = 30s, key = line.sku)]
async fn member(line: &Line<'_>) -> Result<usize, Rejected> {
    Ok(line.sku.0.len())
}

#[derive(Clone, Hash, PartialEq, Eq)]
struct Shop(u64);

#[cached(ttl = 30s, key = place)]
async fn beside(place: (Shop, &str)) -> Result<usize, Rejected> {
    Ok(place.1.len())
}

fn main() {
    let _ = beside((Shop(1), "A-1"));
    let _ = argument(Sku("A-1"));
    let _ = nested(None, "1".into());
    let _ = member(&Line { sku: Sku("A-1") });
}
