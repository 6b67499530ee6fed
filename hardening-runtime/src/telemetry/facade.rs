//! What users record through the `metrics` facade, and what the process says of itself.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;

use super::histogram::BOUNDS;

/// How often what was recorded is folded into buckets; until then each sample takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

struct Facade {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: Collector,
}

static FACADE: OnceLock<Option<Facade>> = OnceLock::new();

fn facade() -> Option<&'static Facade> {
    let made = FACADE.get_or_init(|| {
        let bounds: Vec<f64> = BOUNDS.iter().map(|(nanos, _)| *nanos as f64 / 1e9).collect();
        // Bounds are there, so histograms are written and never summaries.
        let recorder = PrometheusBuilder::new().set_buckets(&bounds).ok()?.build_recorder();
        let process = Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        Some(Facade { handle: recorder.handle(), recorder, process })
    });
    made.as_ref()
}

/// What keeps what is recorded through the facade.
pub(crate) fn recorder() -> Option<&'static PrometheusRecorder> {
    facade().map(|facade| &facade.recorder)
}

/// Takes over the facade, once for the process. Where the program has installed a recorder of its own, that one stays.
pub(crate) fn install() {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let ours = recorder()
        .is_some_and(|recorder| *INSTALLED.get_or_init(|| metrics::set_global_recorder(recorder).is_ok()));
    if !ours {
        tracing::info!(
            "the program has a metrics recorder of its own; what it keeps is not on the admin listener"
        );
    }
}

/// Folds what was recorded into buckets, for ever.
pub(crate) async fn upkeep() {
    let Some(facade) = facade() else { return };
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        facade.handle.run_upkeep();
    }
}

/// Adds every series in Prometheus' text format to those of ours. One whose name is taken is left out, and said to be: a
/// scrape in which a name stands twice is refused as a whole.
pub(crate) fn render(out: &mut String) {
    let Some(facade) = facade() else { return };
    metrics::with_local_recorder(&facade.recorder, || facade.process.collect());
    let rendered = facade.handle.render();
    let (kept, refused) = apart(out, &rendered);
    for name in refused {
        tell(name);
    }
    out.push_str(&kept);
}

/// The families of `rendered` whose names nothing in `ours` has, and the names of the others.
fn apart<'r>(ours: &str, rendered: &'r str) -> (String, Vec<&'r str>) {
    let taken: HashSet<&str> = ours.lines().filter_map(family).flat_map(names).collect();
    let (mut kept, mut refused) = (String::with_capacity(rendered.len()), Vec::new());
    for block in rendered.split_inclusive("\n\n") {
        match block.lines().find_map(family) {
            Some(of) if names(of).any(|name| taken.contains(name)) => refused.push(of.0),
            _ => kept.push_str(block),
        }
    }
    (kept, refused)
}

/// The name and the kind of a family, from the line that says them.
fn family(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

/// Every name that samples of a family have. The endings are those of the kinds that have several.
fn names<'n>((name, _): (&'n str, &str)) -> impl Iterator<Item = &'n str> {
    let endings = ["_bucket", "_sum", "_count"];
    let base = endings.iter().find_map(|ending| name.strip_suffix(ending));
    std::iter::once(name).chain(base)
}

/// Says once that a metric's name is taken.
fn tell(name: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
        tracing::error!(
            metric = name,
            "a metric of the program has the name of one of the service's own, so it is not on the admin listener: give it another"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_refused_and_all_others_are_kept() {
        let ours = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# TYPE took histogram\ntook_bucket{le=\"1\"} 0\n";
        let block = |name: &str, kind: &str| {
            format!("# HELP {name} x\n# TYPE {name} {kind}\n{name}{{b=\"# TYPE c d\"}} 1\n\n")
        };
        for (name, kind, refused) in [
            ("a_total", "counter", true),
            ("a_total", "gauge", true),
            ("took", "gauge", true),
            ("took_count", "counter", true),
            ("took_bucket", "gauge", true),
            ("a", "gauge", false),
            ("b_total", "counter", false),
            ("count", "counter", false),
            ("a_total_sum", "counter", true),
        ] {
            let rendered = [block("first", "gauge"), block(name, kind), block("last", "counter")].concat();
            let (kept, names) = apart(ours, &rendered);
            assert_eq!(names, if refused { vec![name] } else { vec![] });
            let expected = if refused {
                [block("first", "gauge"), block("last", "counter")].concat()
            } else {
                rendered.clone()
            };
            assert_eq!(kept, expected, "{name}");
        }
        assert_eq!(apart(ours, ""), (String::new(), Vec::new()));
    }
}
