use hardening::policy;

policy! {
    REDIS = { failure_rate = 50% }
}

fn main() {}
