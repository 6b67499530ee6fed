//! One event for each change of state: counted for metrics, written to the log.

use super::CircuitState;

use crate::sync::atomic::{AtomicU64, Ordering};

/// How often each change of state happened.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    counts: [[AtomicU64; CircuitState::ALL.len()]; CircuitState::ALL.len()],
}

impl Transitions {
    #[cold]
    pub(super) fn happened(&self, circuit: &'static str, from: CircuitState, to: CircuitState) {
        self.counts[from as usize][to as usize].fetch_add(1, Ordering::Relaxed);
        crate::events::circuit_changed(circuit, from, to);
        #[cfg(feature = "service")]
        crate::telemetry::recent::changed(circuit, from.name(), to.name());
        #[cfg(feature = "testing")]
        crate::testing::happened(circuit, crate::testing::What::Circuit(from, to));
        if to == CircuitState::Closed {
            tracing::info!(circuit, from = from.name(), to = to.name(), "circuit closed");
        } else {
            tracing::warn!(circuit, from = from.name(), to = to.name(), "circuit changed state");
        }
    }

    pub(super) fn count(&self, from: CircuitState, to: CircuitState) -> u64 {
        self.counts[from as usize][to as usize].load(Ordering::Relaxed)
    }
}
