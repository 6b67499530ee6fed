//! Policies of a tower service without the feature `tower`.

use hardening::policies;

policies! {
    static INVENTORY = { timeout = 1s };
}

fn main() {}
