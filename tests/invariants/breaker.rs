//! A circuit that only watches.

use hardening::{CircuitState, circuit_breaker};

use crate::support::{Error, ms};

macro_rules! twins {
    ($($name:ident),+) => {$(
        #[circuit_breaker(window = 4, min_calls = 4, failure_rate = 50%, open_for = 100ms, probes = 2)]
        async fn $name(fails: bool) -> Result<(), Error> {
            if fails { Err(Error::Failed) } else { Ok(()) }
        }
    )+};
}

twins!(watched, deciding);

/// One circuit decides, its twin only watches: the twin admits everything and reports the same changes as long as
/// both see the same outcomes.
#[tokio::test(start_paused = true)]
async fn i_08_a_circuit_that_only_watches_admits_everything_and_reports_the_same_changes() {
    let (shadow, decider) =
        (hardening::circuit("breaker::watched").unwrap(), hardening::circuit("breaker::deciding").unwrap());
    shadow.metrics_only();
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..2000 {
        tokio::time::advance(ms(random.u64(..30))).await;
        let fails = random.u8(..10) < 4;
        let answer = deciding(fails).await;
        let watched = watched(fails).await;
        assert!(!matches!(watched, Err(Error::Rejected(_))), "a watching circuit refused");
        assert!(matches!(answer, Err(Error::Rejected(_))) || answer == watched);
        assert_eq!(shadow.state(), CircuitState::MetricsOnly);
    }
    let own = [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen];
    for from in own {
        for to in own {
            assert_eq!(shadow.transitions(from, to), decider.transitions(from, to), "{from:?} to {to:?}");
        }
    }
    assert!(shadow.transitions(CircuitState::Closed, CircuitState::Open) > 10);
}
