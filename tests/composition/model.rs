//! What the policies should achieve, a millisecond at a time: callers wait in one line, and in each millisecond the first ones
//! that every limit admits go on to the bulkhead. A caller that leaves costs nothing unless its body has begun.

use std::collections::{HashMap, VecDeque};

use hardening_spec::{CallSpec, RateLimitSpec};

/// One caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it comes, in milliseconds.
    pub(crate) at: u64,
    pub(crate) key: u32,
    /// When it leaves if it has no answer.
    pub(crate) leaves: Option<u64>,
}

/// Microseconds, which divide the rates of the tests.
type Micros = u64;

struct Limit {
    emission: Micros,
    tolerance: Micros,
    wait: u64,
    keyed: bool,
    arrival_times: HashMap<u32, Micros>,
}

impl Limit {
    fn new(spec: &RateLimitSpec) -> Self {
        let emission = (spec.rate.per.as_micros() as u64).div_ceil(u64::from(spec.rate.count));
        Self {
            emission,
            tolerance: emission * u64::from(spec.burst()),
            wait: spec.wait.as_millis() as u64,
            keyed: spec.keyed,
            arrival_times: HashMap::new(),
        }
    }

    fn next(&self, key: u32, now: u64) -> Option<Micros> {
        let before = self.arrival_times.get(&self.of(key)).copied().unwrap_or(0);
        let next = before.max(now * 1000) + self.emission;
        (next <= now * 1000 + self.tolerance).then_some(next)
    }

    fn charge(&mut self, key: u32, next: Micros) {
        self.arrival_times.insert(self.of(key), next);
    }

    const fn of(&self, key: u32) -> u32 {
        if self.keyed { key } else { 0 }
    }
}

/// Bodies that run to their end, if each takes `takes` milliseconds.
pub(crate) fn goodput(spec: &CallSpec, arrivals: &[Arrival], takes: u64, until: u64) -> u64 {
    let mut limits: Vec<Limit> = spec.limits().map(|(_, limit)| Limit::new(limit)).collect();
    let patience = limits.iter().map(|limit| limit.wait).min().unwrap_or(0);
    let (places, room, queue_wait) = spec.bulkhead.map_or((u32::MAX, 0, 0), |bulkhead| {
        let wait = bulkhead.max_wait.map_or(u64::MAX, |wait| wait.as_millis() as u64);
        (bulkhead.max, bulkhead.queue as usize, wait)
    });
    // A call waits for half of its time at most.
    let half =
        |limit: Option<std::time::Duration>| limit.map_or(u64::MAX, |limit| limit.as_millis() as u64 / 2);
    let half = half(spec.timeout).min(half(spec.deadline));
    let (mut line, mut queue) = (VecDeque::<Arrival>::new(), VecDeque::<(Arrival, u64)>::new());
    let mut running: Vec<(u64, Option<u64>)> = Vec::new();
    let (mut done, mut next) = (0, 0);
    for now in 0..until {
        running.retain(|(ends, leaves)| {
            let (ended, left) = (*ends <= now, leaves.is_some_and(|leaves| leaves <= now && leaves < *ends));
            done += u64::from(ended && !left);
            !(ended || left)
        });
        while let Some(arrival) = arrivals.get(next).filter(|arrival| arrival.at <= now) {
            line.push_back(*arrival);
            next += 1;
        }
        let here = |arrival: &Arrival| arrival.leaves.is_none_or(|leaves| leaves > now);
        queue.retain(|(arrival, since)| here(arrival) && now - since <= queue_wait.min(half));
        line.retain(here);
        let mut kept = VecDeque::new();
        for arrival in line.drain(..) {
            let nexts: Option<Vec<Micros>> =
                limits.iter().map(|limit| limit.next(arrival.key, now)).collect();
            match nexts {
                Some(nexts) => {
                    for (limit, next) in limits.iter_mut().zip(nexts) {
                        limit.charge(arrival.key, next);
                    }
                    queue.push_back((arrival, now));
                }
                None if now - arrival.at < patience.min(half) => kept.push_back(arrival),
                None => {}
            }
        }
        line = kept;
        while running.len() < places as usize
            && let Some((arrival, _)) = queue.pop_front()
        {
            running.push((now + takes, arrival.leaves));
        }
        queue.truncate(room);
    }
    done
}
