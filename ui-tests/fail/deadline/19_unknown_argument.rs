use std::time::Duration;

use hardening::{Rejected, deadline};

trait Shop {
    const LIMIT: Duration;
}

#[deadline(S::LIMIT)]
async fn stock<S: Shop>(shop: &S) -> Result<usize, Rejected> {
    Ok(size_of_val(shop))
}

struct Corner;

impl Shop for Corner {
    const LIMIT: Duration = Duration::from_secs(1);
}

fn main() {
    let _ = stock(&Corner);
}
