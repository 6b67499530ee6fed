//! The bulkhead's places.

use hardening_spec::BulkheadSpec;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::{Action, explore, together};

fn bulkhead(max: u32, queue: u32) -> Arc<Bulkhead> {
    Arc::new(Bulkhead::new(&BulkheadSpec { queue, ..BulkheadSpec::new(max) }, 0))
}

/// Enters and leaves; answers whether it was let in.
fn visit(bulkhead: &Arc<Bulkhead>, inside: &Arc<AtomicU32>, max: u32) -> Action<bool> {
    let (bulkhead, inside) = (Arc::clone(bulkhead), Arc::clone(inside));
    Box::new(move || match bulkhead.enter() {
        Entry::Entered => {
            assert!(inside.fetch_add(1, Ordering::AcqRel) < max, "more inside than there are places");
            inside.fetch_sub(1, Ordering::AcqRel);
            bulkhead.leave();
            true
        }
        Entry::Queue => {
            // Dropped before its first poll, it leaves the queue.
            drop(bulkhead.queue());
            false
        }
        Entry::Full => false,
    })
}

fn places_hold(max: u32, queue: u32) {
    explore(2, move || {
        let (bulkhead, inside) = (bulkhead(max, queue), Arc::new(AtomicU32::new(0)));
        let visits = [(); 3].map(|()| visit(&bulkhead, &inside, max));
        let entered = together(visits);
        assert!(entered.contains(&true), "a free place is given to one of those who ask");
        assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
        let again: Vec<_> = (0..max).map(|_| bulkhead.enter()).collect();
        assert!(again.iter().all(|entry| *entry == Entry::Entered), "a place was lost: {again:?}");
        assert_ne!(bulkhead.enter(), Entry::Entered, "a place too many");
    });
}

/// One place, three who ask, nobody waits.
pub fn i_17_places_are_never_exceeded_or_lost() {
    places_hold(1, 0);
}

/// The same with two places.
pub fn i_17_places_are_never_exceeded_or_lost_with_two() {
    places_hold(2, 0);
}

/// One place and a queue.
pub fn i_17_places_before_a_queue_are_never_exceeded_or_lost() {
    places_hold(1, 1);
}

/// A full bulkhead of two places whose limit changes, each one after the other, while both callers leave.
fn tuned_while_both_leave(limits: &'static [u32]) -> Arc<Bulkhead> {
    let bulkhead = bulkhead(2, 1);
    assert_eq!((bulkhead.enter(), bulkhead.enter()), (Entry::Entered, Entry::Entered));
    let leave = || -> Action<()> {
        let bulkhead = Arc::clone(&bulkhead);
        Box::new(move || bulkhead.leave())
    };
    let tuned = Arc::clone(&bulkhead);
    let tune = Box::new(move || {
        for max in limits {
            tuned.tune(Some(&BulkheadSpec { queue: 1, ..BulkheadSpec::new(*max) }));
        }
    });
    together::<(), _>([leave(), tune, leave()]);
    bulkhead
}

/// The limit falls and rises again: in the end there are as many places as it says.
pub fn a_limit_that_changes_loses_no_place() {
    explore(1, || {
        let bulkhead = tuned_while_both_leave(&[1, 3]);
        let entries = [(); 3].map(|()| bulkhead.enter());
        assert_eq!(entries, [Entry::Entered; 3]);
        assert_eq!(bulkhead.enter(), Entry::Queue, "a place too many");
    });
}

/// The limit falls and stays low.
pub fn a_lowered_limit_holds() {
    explore(2, || {
        let bulkhead = tuned_while_both_leave(&[1]);
        assert_eq!((bulkhead.enter(), bulkhead.enter()), (Entry::Entered, Entry::Queue));
    });
}
