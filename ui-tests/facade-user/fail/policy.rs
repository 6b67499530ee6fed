company::hardening::policy! {
    pub static DATABASE: Bulkhead = { max = 3 };
}

fn main() {}
