//! What the log tells of calls inside one another that name one policy.

use std::fmt::Write as _;

use hardening::{Rejected, bulkhead, deadline, policy, rate_limited};
use tokio::time::sleep;

use super::support::ms;

/// Counts the warnings of this thread that say the words.
#[derive(Clone, Default)]
pub(super) struct Warnings(pub(super) std::sync::Arc<std::sync::Mutex<Vec<String>>>);

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

policy! {
    static CIRCLE_ONE: Bulkhead = { max = 1, queue = 5 };
    static CIRCLE_TWO: Bulkhead = { max = 1, queue = 5 };
}

#[bulkhead(CIRCLE_ONE)]
async fn one_then_two() -> Result<(), Rejected> {
    sleep(ms(10)).await;
    only_two().await
}

#[bulkhead(CIRCLE_TWO)]
async fn two_then_one() -> Result<(), Rejected> {
    sleep(ms(20)).await;
    only_one().await
}

#[bulkhead(CIRCLE_ONE)]
async fn only_one() -> Result<(), Rejected> {
    Ok(())
}

#[bulkhead(CIRCLE_TWO)]
async fn only_two() -> Result<(), Rejected> {
    Ok(())
}

#[deadline(1s)]
async fn bounded<F: Future<Output = Result<(), Rejected>>>(call: F) -> Result<(), Rejected> {
    call.await
}

#[tokio::test(start_paused = true)]
async fn bulkheads_that_are_entered_in_opposite_orders_are_told() {
    let warnings = Warnings::default();
    let _other = tracing::Dispatch::new(Warnings::default());
    let _default = tracing::subscriber::set_default(warnings.clone());
    for _ in 0..2 {
        let ends = tokio::join!(bounded(one_then_two()), bounded(two_then_one()));
        assert!(ends.0.is_err() && ends.1.is_ok(), "the deadline ends it: {ends:?}");
    }
    let told = warnings.0.lock().unwrap().clone();
    assert_eq!(
        told.iter().filter(|told| told.contains("opposite") || told.contains("same order")).count(),
        1,
        "{told:?}"
    );
    assert!(told[0].contains("CIRCLE_ONE") && told[0].contains("nested_told::only_one"), "{told:?}");
    warnings.0.lock().unwrap().clear();
    // The same order everywhere.
    let ends = tokio::join!(one_then_two(), one_then_two(), only_two());
    assert!(ends.0.is_ok() && ends.1.is_ok() && ends.2.is_ok());
    assert!(warnings.0.lock().unwrap().is_empty());
}
