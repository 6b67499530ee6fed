//! Counts that are read while they change.

use super::*;

#[test]
fn totals_are_exact_whatever_is_read_when() {
    const CALLS: u64 = 40_000;
    for (failures, outcome) in
        [(1, CallOutcome::Failure), (2, CallOutcome::CircuitOpen), (CALLS + 1, CallOutcome::Failure)]
    {
        let (metrics, over) = (CallMetrics::default(), AtomicBool::new(false));
        std::thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    let mut before = 0;
                    while !over.load(Ordering::Relaxed) {
                        let read = metrics.calls(CallOutcome::Success);
                        assert!(read >= before, "a counter falls from {before} to {read}");
                        before = read;
                    }
                });
            }
            let callers = [(); 2].map(|()| {
                threads.spawn(|| {
                    for call in 0..CALLS {
                        metrics.enter();
                        let failed = call % failures == 0;
                        metrics.finish(if failed { outcome } else { CallOutcome::Success }, call % 3_000_000);
                    }
                })
            });
            for caller in callers {
                caller.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
        let failed = 2 * CALLS.div_ceil(failures);
        assert_eq!(metrics.calls(outcome), failed, "1 of {failures}");
        assert_eq!(metrics.calls(CallOutcome::Success), 2 * CALLS - failed, "1 of {failures}");
        assert_eq!((metrics.attempts(CallOutcome::Success), metrics.in_flight()), (2 * CALLS - failed, 0));
    }
}
