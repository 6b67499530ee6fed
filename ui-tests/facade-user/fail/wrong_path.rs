company::policy! {
    crate = nowhere;
    static STOCK: Bulkhead = { max = 8 };
    static PRICES: RateLimiter = { rate = 100/s };
}

company::policies! {
    crate = elsewhere;
    static SUPPLIER = { timeout = 1s };
}

mod inside {
    pub(crate) fn a_function() {
        company::policy! {
            crate = company::nowhere;
            static STOCK: Bulkhead = { max = 8 };
        }
        let _ = &STOCK;
    }
}

fn main() {
    let _ = (&STOCK, &PRICES, &SUPPLIER);
    inside::a_function();
}
