company::hardening::policies! {}

fn main() {}
