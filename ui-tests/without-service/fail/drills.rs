//! Drills without the feature `testing`.

fn main() {
    hardening::drills!();
}
