//! What users record through the `metrics` facade, and what the process says of itself.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::histogram::BOUNDS;

/// How often what was recorded is folded into buckets; until then each sample takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

struct Facade {
    handle: PrometheusHandle,
    process: Collector,
}

static FACADE: OnceLock<Option<Facade>> = OnceLock::new();

/// Takes over the facade, once for the process. Where the program has installed a recorder of its own, that one
/// stays, and [`render`] writes nothing.
pub(crate) fn install() {
    let taken = FACADE.get_or_init(|| {
        let bounds: Vec<f64> = BOUNDS.iter().map(|(nanos, _)| *nanos as f64 / 1e9).collect();
        // Bounds are there, so histograms are written and never summaries.
        let recorder = PrometheusBuilder::new().set_buckets(&bounds).ok()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        let process = Collector::default();
        process.describe();
        Some(Facade { handle, process })
    });
    if taken.is_none() {
        tracing::info!(
            "the program has a metrics recorder of its own; its metrics are not on the admin listener"
        );
    }
}

/// Folds what was recorded into buckets, for ever.
pub(crate) async fn upkeep() {
    let Some(Some(facade)) = FACADE.get() else { return };
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        facade.handle.run_upkeep();
    }
}

/// Every series in Prometheus' text format.
pub(crate) fn render(out: &mut String) {
    if let Some(Some(facade)) = FACADE.get() {
        facade.process.collect();
        out.push_str(&facade.handle.render());
    }
}
