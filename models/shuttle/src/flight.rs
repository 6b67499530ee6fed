//! Single flight: one load for all who ask, whoever is cancelled.

use std::sync::Arc;
use std::time::Duration;

use hardening_spec::CacheSpec;
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::policy::cache::{Failure, Found, Kept, Landing, Leader, Store};
use crate::{cancel, explore, together};

/// A cache in front of a number that changes.
#[derive(Clone)]
struct World {
    store: Arc<Store<u8, u32>>,
    source: Arc<AtomicU32>,
    loading: Arc<AtomicU32>,
    loads: Arc<AtomicU32>,
    /// Whether those who wait take the load from its leader.
    impatient: Arc<AtomicBool>,
}

/// What becomes of a call's load, where it leads one.
#[derive(Clone)]
enum Leads {
    Loads,
    Fails,
    /// It fails, and may have had too little time.
    FailsPerhapsForTime,
    /// The time of its caller is over.
    RunsOutOfTime,
    /// It waits until this says that it is polled again.
    IsNotPolled(Arc<AtomicBool>),
}

/// A load in flight.
struct Loading(Arc<AtomicU32>);

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl World {
    fn new() -> Self {
        Self {
            store: Arc::new(Store::new(&CacheSpec::new(Duration::from_secs(10)))),
            source: Arc::new(AtomicU32::new(1)),
            loading: Arc::default(),
            loads: Arc::default(),
            impatient: Arc::default(),
        }
    }

    /// Looks again and again.
    async fn never_loads_twice_at_once(self) {
        for _ in 0..6 {
            assert!(self.loading.load(Ordering::Acquire) <= 1, "two loads at once");
            yield_now().await;
        }
    }

    /// One call, as a site makes it; `None` when the load that it waited for failed.
    async fn call(self, fails: bool) -> Option<u32> {
        self.ask(if fails { Leads::Fails } else { Leads::Loads }).await
    }

    async fn ask(self, leads: Leads) -> Option<u32> {
        loop {
            // Whoever may fail for want of time has less of it than the others.
            let until = if matches!(leads, Leads::FailsPerhapsForTime) { 1 } else { 2 };
            match self.store.look(&0, 0, until) {
                Found::Fresh(value) | Found::Stale(value, _) => return Some(value),
                Found::Load(leader, _) => return self.lead(leader, leads).await,
                Found::Wait(mut follower) => {
                    if self.impatient.load(Ordering::Acquire) {
                        self.store.take_over(&0, &follower);
                    }
                    match follower.landed().await {
                        Landing::Loaded(kept) => return Some(kept.value()),
                        Landing::Failed(_) => return None,
                        Landing::Abandoned => {
                            if let Some((leader, _)) = self.store.lead(&follower) {
                                drop(follower);
                                return self.lead(leader, leads).await;
                            }
                        }
                    }
                }
            }
        }
    }

    async fn lead(&self, leader: Leader<u8, Arc<Kept<u32>>>, leads: Leads) -> Option<u32> {
        self.loading.fetch_add(1, Ordering::AcqRel);
        let loading = Loading(Arc::clone(&self.loading));
        self.loads.fetch_add(1, Ordering::AcqRel);
        let value = self.source.load(Ordering::Acquire);
        yield_now().await;
        drop(loading);
        match leads {
            Leads::Loads => self.store.keep(leader, value, 0, 0, 0.0),
            Leads::Fails => {
                self.store.fail(leader, None, 0, || Failure::Text(None));
                return None;
            }
            Leads::FailsPerhapsForTime => {
                self.store.hand_on(leader, None, 0, 1, || Failure::Text(None));
                return None;
            }
            Leads::RunsOutOfTime => {
                self.store.hand_over(leader, None, 0);
                return None;
            }
            Leads::IsNotPolled(polled) => {
                // Its future is kept, and polled again when the others are done.
                while !polled.load(Ordering::Acquire) {
                    yield_now().await;
                }
                self.store.keep(leader, value, 0, 0, 0.0);
            }
        }
        Some(value)
    }
}

/// Everybody gets the one result, and no two load at once.
pub fn i_58_one_load_for_all_who_ask() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let found = together((0..4).map(|_| world.clone().call(false))).await;
            assert_eq!(found, [Some(1); 4]);
            assert_eq!(world.loads.load(Ordering::Acquire), 1);
        });
    });
}

/// Some are cancelled, whether they lead or follow: the others still get a result, one load at a time.
pub fn i_59_cancelling_some_leaves_the_others_their_result() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let cancelled: Vec<_> = (0..2)
                .map(|_| cancel(spawn(world.clone().call(false)), thread_rng().gen_range(0..4)))
                .map(spawn)
                .collect();
            let watch = spawn(world.clone().never_loads_twice_at_once());
            let found = together((0..2).map(|_| world.clone().call(false))).await;
            assert_eq!(found, [Some(1); 2]);
            for task in cancelled {
                task.await.expect("cancelling does not panic");
            }
            watch.await.expect("one load at a time");
            assert_eq!(world.loading.load(Ordering::Acquire), 0);
        });
    });
}

/// Leaders whose callers' time is over hand the load over: each patient call gets a result, one load at a time.
pub fn i_59_a_load_is_handed_over_until_a_patient_call_leads() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let hurried: Vec<_> = (0..2).map(|_| spawn(world.clone().ask(Leads::RunsOutOfTime))).collect();
            let watch = spawn(world.clone().never_loads_twice_at_once());
            let found = together((0..3).map(|_| world.clone().call(false))).await;
            assert_eq!(found, [Some(1); 3]);
            for task in hurried {
                assert!(matches!(task.await, Ok(None | Some(1))));
            }
            watch.await.expect("one load at a time");
            assert!(world.loads.load(Ordering::Acquire) <= 3, "each hurried one, and one patient one");
        });
    });
}

/// A load that may have failed for want of time is handed on to one that has more, even where some of those go away: the others get
/// its result, one load at a time, and none of them fails.
pub fn i_59_a_doubtful_failure_is_handed_on_to_a_patient_call() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let hurried = spawn(world.clone().ask(Leads::FailsPerhapsForTime));
            let cancelled: Vec<_> = (0..2)
                .map(|_| cancel(spawn(world.clone().call(false)), thread_rng().gen_range(0..6)))
                .map(spawn)
                .collect();
            let watch = spawn(world.clone().never_loads_twice_at_once());
            let found = together((0..2).map(|_| world.clone().call(false))).await;
            assert_eq!(found, [Some(1); 2]);
            assert!(matches!(hurried.await, Ok(None | Some(1))));
            for task in cancelled {
                task.await.expect("cancelling does not panic");
            }
            watch.await.expect("one load at a time");
            assert_eq!(world.loading.load(Ordering::Acquire), 0);
        });
    });
}

/// A leader that is not polled loses its load: each other call gets a result, and what the leader brings in the end changes
/// nothing for them.
pub fn i_59_a_load_is_taken_from_a_leader_that_is_not_polled() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let polled = Arc::new(AtomicBool::new(false));
            let stuck = spawn(world.clone().ask(Leads::IsNotPolled(Arc::clone(&polled))));
            for _ in 0..thread_rng().gen_range(0..3) {
                yield_now().await;
            }
            world.impatient.store(true, Ordering::Release);
            let found = together((0..3).map(|_| world.clone().call(false))).await;
            assert_eq!(found, [Some(1); 3]);
            world.source.store(2, Ordering::Release);
            polled.store(true, Ordering::Release);
            assert!(matches!(stuck.await, Ok(Some(1 | 2))));
            assert!(matches!(world.clone().call(false).await, Some(1 | 2)));
            assert!(world.loads.load(Ordering::Acquire) >= 1);
        });
    });
}

/// A load that fails is everybody's failure, once; who asks afterwards loads again.
pub fn i_59_a_failure_is_told_once() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let found = together((0..3).map(|at| world.clone().call(at == 0))).await;
            let failed = found.iter().filter(|found| found.is_none()).count();
            let loads = world.loads.load(Ordering::Acquire) as usize;
            assert!(found.iter().all(|found| found.is_none_or(|value| value == 1)));
            assert!(loads <= 2, "the one that fails, and one for the others: {loads}");
            assert!(failed == 0 || loads >= 1);
            assert_eq!(world.clone().call(false).await, Some(1));
        });
    });
}

/// The source changes, and the key is invalidated afterwards: what is kept in the end is the new value.
pub fn i_61_an_invalidation_beats_a_running_load() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let calls: Vec<_> = (0..3).map(|_| spawn(world.clone().call(false))).collect();
            let changed = world.clone();
            let change = spawn(async move {
                yield_now().await;
                changed.source.store(2, Ordering::Release);
                changed.store.invalidate(&0);
            });
            for call in calls {
                assert!(matches!(call.await, Ok(Some(1 | 2))));
            }
            change.await.expect("invalidating does not panic");
            assert_eq!(world.clone().call(false).await, Some(2), "an old value was kept");
        });
    });
}
