//! Spans on their way to a receiver that speaks OTLP over HTTP.
//!
//! A span that has ended goes into a bounded queue or is dropped and counted; nothing that answers a request ever waits. One
//! task takes spans from the queue, writes them down and sends them, and what a receiver does not take costs that task alone.

mod export;
mod otlp;
mod record;
mod spans;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hardening_spec::Ratio;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::export::Exporter;
pub(crate) use self::record::{Kind, Record, Status};
pub(crate) use self::spans::{Place, current, layer};
use crate::settings;
use crate::telemetry::text::Family;

/// Where the spans of one service go.
#[derive(Debug)]
pub(crate) struct Traces {
    records: mpsc::Sender<Record>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    sampling: Ratio,
    /// Which spans are recorded, in the form of `RUST_LOG`.
    level: String,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The receiver took them.
    exported: AtomicU64,
    /// The queue was full.
    dropped: AtomicU64,
    /// The receiver did not take them.
    failed: AtomicU64,
}

impl Traces {
    /// What settings ask for, `None` for nothing; the exporter must be run.
    ///
    /// # Errors
    /// What is wrong, a sentence each.
    pub(crate) fn new(
        settings: &settings::Settings,
        version: &str,
    ) -> Result<Option<(Arc<Self>, Exporter)>, Vec<String>> {
        let telemetry = &settings.telemetry;
        if telemetry.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let counts = Arc::new(Counts::default());
        let (records, queue) = mpsc::channel(telemetry.queue as usize);
        let (flushes, asked) = mpsc::channel(1);
        let resource = otlp::resource(&settings.service.name, version);
        let exporter = Exporter::new(telemetry, resource, queue, asked, Arc::clone(&counts))
            .map_err(|why| vec![format!("[telemetry] otlp_endpoint: {why}")])?;
        let traces =
            Self { records, flushes, sampling: telemetry.sampling, level: telemetry.level.clone(), counts };
        Ok(Some((Arc::new(traces), exporter)))
    }

    /// Whether a trace that begins here is recorded. The same for every service that is asked about one trace with one share.
    pub(crate) fn samples(&self, trace: u128) -> bool {
        // The lower half of an id is random in every version of the specification.
        let part = u128::from(trace as u64) * 1_000_000;
        part < u128::from(self.sampling.millionths) << 64
    }

    /// Takes a span that has ended.
    pub(crate) fn take(&self, record: Record) {
        if self.records.try_send(record).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits, within this time.
    pub(crate) async fn flush(&self, within: Duration) {
        let (done, ended) = oneshot::channel();
        let flush = async {
            // Without an exporter nothing waits.
            if self.flushes.send(done).await.is_ok() {
                let _ = ended.await;
            }
        };
        if tokio::time::timeout(within, flush).await.is_err() {
            tracing::warn!("the receiver of traces did not take the last spans in time");
        }
    }

    /// Writes its metrics.
    pub(crate) fn render(&self, out: &mut String) {
        let help = "Spans that ended, by what became of them.";
        let mut family = Family::counter(out, "hardening_spans_total", help);
        let Counts { exported, dropped, failed } = &*self.counts;
        for (result, count) in [("exported", exported), ("dropped", dropped), ("failed", failed)] {
            family.sample(&[("result", result)], count.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(share: &str) -> Traces {
        let mut settings = settings::Settings::default();
        "http://127.0.0.1:9".clone_into(&mut settings.telemetry.otlp_endpoint);
        settings.telemetry.sampling = hardening_spec::units::ratio(share).unwrap();
        settings.telemetry.queue = 2;
        Arc::into_inner(Traces::new(&settings, "1").unwrap().unwrap().0).unwrap()
    }

    #[test]
    fn the_share_of_traces_is_recorded() {
        let ids: Vec<u128> = (0..20_000).map(|_| crate::context::Trace::new(false).id).collect();
        for (share, expected) in [("0%", 0..=0), ("10%", 1700..=2300), ("100%", 20_000..=20_000)] {
            let traces = sampling(share);
            let recorded = ids.iter().filter(|id| traces.samples(**id)).count();
            assert!(expected.contains(&recorded), "{share}: {recorded}");
        }
        assert!(sampling("100%").samples(u128::MAX));
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let mut settings = settings::Settings::default();
        "http://127.0.0.1:9".clone_into(&mut settings.telemetry.otlp_endpoint);
        settings.telemetry.queue = 2;
        let (traces, _exporter) = Traces::new(&settings, "1").unwrap().unwrap();
        for _ in 0..5 {
            traces.take(Record::default());
        }
        let mut out = String::new();
        traces.render(&mut out);
        assert!(out.contains("hardening_spans_total{result=\"dropped\"} 3\n"), "{out}");
        assert!(out.contains("hardening_spans_total{result=\"exported\"} 0\n"), "{out}");
    }
}
