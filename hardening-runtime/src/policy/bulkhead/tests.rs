//! Who is only counted, and who must tell the calls inside it what it holds.

use super::*;

fn bulkhead(max: u32, queue: u32) -> Bulkhead {
    Bulkhead::new(&BulkheadSpec { queue, ..BulkheadSpec::new(max) }, 0)
}

#[test]
fn all_but_the_last_place_are_taken_by_counting() {
    let bulkhead = bulkhead(3, 0);
    assert!(!bulkhead.is_tight());
    for running in 1..=2 {
        assert!(bulkhead.enter_plainly());
        assert_eq!((bulkhead.running(), bulkhead.is_tight()), (running, false));
    }
    assert!(!bulkhead.enter_plainly());
    assert_eq!(bulkhead.running(), 2);
    assert_eq!((bulkhead.enter(), bulkhead.is_tight(), bulkhead.running()), (Entry::Entered, true, 3));
    assert!(!bulkhead.enter_plainly());
    assert_eq!(bulkhead.enter(), Entry::Full);
    bulkhead.leave();
    assert!(!bulkhead.is_tight() && !bulkhead.enter_plainly());
    bulkhead.leave();
    assert!(bulkhead.enter_plainly());
    // Other numbers hold for this too.
    bulkhead.tune(Some(&BulkheadSpec::new(5)));
    assert!(bulkhead.enter_plainly() && bulkhead.enter_plainly() && !bulkhead.enter_plainly());
    bulkhead.tune(Some(&BulkheadSpec::new(4)));
    assert!(bulkhead.is_tight());
}

#[test]
fn where_callers_can_wait_the_first_ones_are_looked_at_each() {
    let bulkhead = bulkhead(3, 1);
    for _ in 1..FIRST {
        bulkhead.entered_exactly();
        assert!(!bulkhead.enter_plainly());
    }
    bulkhead.entered_exactly();
    assert!(bulkhead.enter_plainly() && bulkhead.enter_plainly() && !bulkhead.enter_plainly());
    // Further ones change nothing.
    bulkhead.entered_exactly();
    bulkhead.leave();
    assert!(bulkhead.enter_plainly());
}

#[test]
fn once_a_call_has_called_itself_everybody_is_looked_at_for_ever() {
    for queue in [0, 1] {
        let bulkhead = bulkhead(3, queue);
        bulkhead.enter_exactly();
        for _ in 0..2 * FIRST {
            bulkhead.entered_exactly();
        }
        assert!(!bulkhead.enter_plainly());
        bulkhead.tune(Some(&BulkheadSpec { queue, ..BulkheadSpec::new(9) }));
        bulkhead.enter_exactly();
        assert!(!bulkhead.enter_plainly());
        assert_eq!((bulkhead.enter(), bulkhead.is_tight()), (Entry::Entered, true));
    }
}
