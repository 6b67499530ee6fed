//! `[telemetry]`: where traces go.

use std::time::Duration;

use hardening_spec::Ratio;

use super::hidden::Hidden;

/// `[telemetry]`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The OTLP receiver; empty for none.
    pub otlp_endpoint: String,
    /// Header fields for the receiver, `name=value,…`.
    pub otlp_headers: Hidden,
    /// The share of traces that begin here which is recorded.
    pub sampling: Ratio,
    /// Which spans are recorded, in the form of `RUST_LOG`.
    pub level: String,
    /// Spans that may wait for their export.
    pub queue: u32,
    /// How long a span may wait for others.
    pub export_every: Duration,
    /// The longest that the receiver may take.
    pub export_timeout: Duration,
    /// Whether what calls have not had yet is a series of zero.
    pub rare_zeros: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            otlp_headers: Hidden::default(),
            sampling: Ratio::percent(100),
            level: String::new(),
            queue: 0,
            export_every: Duration::ZERO,
            export_timeout: Duration::ZERO,
            rare_zeros: true,
        }
    }
}
