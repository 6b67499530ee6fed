//! What the log tells of calls inside one another that name one policy.

use std::fmt::Write as _;

use hardening::{Rejected, bulkhead, policy, rate_limited};

/// Counts the warnings of this thread that say the words.
#[derive(Clone, Default)]
struct Warnings(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{}={value:?} ", field.name());
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().unwrap().push(words.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

policy! {
    static NEST_TOLD: Bulkhead = { max = 1 };
    static NEST_TOLD_RATE: RateLimiter = { rate = 1/h, burst = 100 };
}

#[rate_limited(NEST_TOLD_RATE)]
#[bulkhead(NEST_TOLD)]
async fn told_outer() -> Result<(), Rejected> {
    told_inner().await
}

#[rate_limited(NEST_TOLD_RATE)]
async fn told_other() -> Result<(), Rejected> {
    told_inner().await
}

#[rate_limited(NEST_TOLD_RATE)]
#[bulkhead(NEST_TOLD)]
async fn told_inner() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn each_pair_and_policy_is_told_once() {
    let warnings = Warnings::default();
    // While there is one subscriber alone, a thread without it decides that nothing is written.
    let _other = tracing::Dispatch::new(Warnings::default());
    let _default = tracing::subscriber::set_default(warnings.clone());
    for _ in 0..3 {
        told_outer().await.unwrap();
        told_other().await.unwrap();
    }
    let told = warnings.0.lock().unwrap().clone();
    let of = |outer: &str, policy: &str| {
        let words = [format!("outer=\"nested_told::{outer}\""), format!("policy=\"{policy}\"")];
        told.iter().filter(|told| words.iter().all(|word| told.contains(word.as_str()))).count()
    };
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(of("told_outer", "NEST_TOLD"), 1, "{told:?}");
    assert_eq!(of("told_outer", "NEST_TOLD_RATE"), 1, "{told:?}");
    assert_eq!(of("told_other", "NEST_TOLD_RATE"), 1, "{told:?}");
}
