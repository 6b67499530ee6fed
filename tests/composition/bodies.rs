//! What the bodies of one test do and when: all of its tasks run on its thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Error, Order};

/// What happened since [`Bodies::clear`].
#[derive(Default)]
pub(crate) struct Bodies {
    /// When each body began, with its key.
    pub(crate) began: Vec<(Instant, u32)>,
    /// Bodies that run now, of all and by key.
    running: u32,
    by_key: HashMap<u32, u32>,
    /// The most that ran at once.
    pub(crate) most: u32,
    pub(crate) most_of_a_key: u32,
    /// Bodies that returned a success.
    pub(crate) done: u64,
}

thread_local! {
    static BODIES: RefCell<Bodies> = RefCell::default();
}

impl Bodies {
    /// Forgets what happened, but for what still runs.
    pub(crate) fn clear() {
        BODIES.with_borrow_mut(|bodies| {
            *bodies = Self {
                running: bodies.running,
                by_key: std::mem::take(&mut bodies.by_key),
                ..Self::default()
            };
        });
    }

    pub(crate) fn look<R>(look: impl FnOnce(&Self) -> R) -> R {
        BODIES.with_borrow(look)
    }

    /// How many run now.
    pub(crate) fn running() -> u32 {
        Self::look(|bodies| bodies.running)
    }
}

/// A body that runs: leaves however it ends.
struct Running(u32);

impl Running {
    fn new(key: u32) -> Self {
        BODIES.with_borrow_mut(|bodies| {
            bodies.began.push((Instant::now(), key));
            bodies.running += 1;
            bodies.most = bodies.most.max(bodies.running);
            let of_key = bodies.by_key.entry(key).or_default();
            *of_key += 1;
            bodies.most_of_a_key = bodies.most_of_a_key.max(*of_key);
        });
        Self(key)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        BODIES.with_borrow_mut(|bodies| {
            bodies.running -= 1;
            *bodies.by_key.entry(self.0).or_default() -= 1;
        });
    }
}

/// What every annotated function runs.
pub(crate) async fn body(order: Order) -> Result<u64, Error> {
    let _running = Running::new(order.key);
    sleep(Duration::from_millis(order.takes)).await;
    if order.fails {
        return Err(Error::Failed);
    }
    BODIES.with_borrow_mut(|bodies| bodies.done += 1);
    Ok(order.number)
}
