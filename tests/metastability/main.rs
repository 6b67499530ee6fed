//! [I-76]: what happens after an overload, on paused time, with the policies as they ship.
//!
//! Open-loop callers ask a service 800 times a second. It has ten places of 10 ms, so it can do 1000; for ten seconds a call takes
//! 50 ms, so it can do 200. Then everything is as before. A system whose goodput does not come back after that is metastable: its
//! retries, or its backlog of work that nobody waits for any more, keep it down. Each row takes one protection away.
//!
//! `HARDENING_DOCS=write cargo test --test metastability` writes the table and the plot of `docs/metastability.md`.

mod page;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hardening::testing::{alone, seed};
use hardening::{Rejected, bulkhead, circuit_breaker, retry, timeout};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

/// Requests a second.
const LOAD: u64 = 800;
/// The fault, and the end, in seconds.
const FAULT: std::ops::Range<u64> = 10..20;
const END: u64 = 60;
/// The callers' patience.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What goes through the service: how slow it is now, and how much it is asked.
#[derive(Debug)]
struct World {
    slow: Cell<bool>,
    /// Executions that began.
    work: Cell<u64>,
    /// Places with a queue that is first in, first out, whatever happens.
    plain: Semaphore,
}

/// One place of the service.
async fn work(world: &World) -> Result<(), Rejected> {
    world.work.set(world.work.get() + 1);
    sleep(Duration::from_millis(if world.slow.get() { 50 } else { 10 })).await;
    Ok(())
}

#[bulkhead(max = 10, queue = 200)]
async fn bounded(world: &World) -> Result<(), Rejected> {
    work(world).await
}

#[bulkhead(max = 10, queue = 1_000_000)]
async fn unbounded(world: &World) -> Result<(), Rejected> {
    work(world).await
}

/// The same without our queue.
async fn first_in_first_out(world: &World) -> Result<(), Rejected> {
    let _place = world.plain.acquire().await.map_err(|_| Rejected::ShuttingDown)?;
    work(world).await
}

/// Two replicas of half the size.
#[bulkhead(max = 5, queue = 100, key = replica)]
async fn replicated(world: &World, replica: u64) -> Result<(), Rejected> {
    work(world).await
}

/// What the service does with work whose caller has gone: nothing, since the future is dropped and the deadline is known.
async fn here(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    match server {
        Server::Bounded => bounded(&world).await,
        Server::Unbounded => unbounded(&world).await,
        Server::Replicas => replicated(&world, number % 2).await,
        Server::Zombie => {
            // It knows nothing of its caller.
            spawn_local(async move { unbounded(&world).await }).await.unwrap_or(Err(Rejected::ShuttingDown))
        }
        Server::PlainZombie => spawn_local(async move { first_in_first_out(&world).await })
            .await
            .unwrap_or(Err(Rejected::ShuttingDown)),
        Server::BoundedZombie => {
            spawn_local(async move { bounded(&world).await }).await.unwrap_or(Err(Rejected::ShuttingDown))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Drops what nobody waits for, and has a bounded queue.
    Bounded,
    /// Drops what nobody waits for.
    Unbounded,
    /// Does everything that it was ever asked.
    Zombie,
    /// The same in a queue that is always first in, first out.
    PlainZombie,
    /// The same behind a bounded queue of ours.
    BoundedZombie,
    Replicas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Once,
    /// With the default budget.
    Budget,
    NoBudget,
    Breaker,
    Throttle,
}

#[timeout(TIMEOUT)]
async fn once(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    here(server, world, number).await
}

#[timeout(TIMEOUT)]
#[retry(idempotent)]
async fn with_budget(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    here(server, world, number).await
}

#[timeout(TIMEOUT)]
#[retry(idempotent, budget = none)]
async fn without_budget(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    here(server, world, number).await
}

#[timeout(TIMEOUT)]
#[retry(idempotent)]
#[circuit_breaker]
async fn with_breaker(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    here(server, world, number).await
}

#[timeout(TIMEOUT)]
#[retry(idempotent)]
#[circuit_breaker(adaptive)]
async fn with_throttle(server: Server, world: Rc<World>, number: u64) -> Result<(), Rejected> {
    here(server, world, number).await
}

/// One run.
#[derive(Clone, Debug)]
struct Run {
    name: &'static str,
    /// Answers and executions in each second.
    goodput: Vec<u64>,
    work: Vec<u64>,
}

impl Run {
    /// The second from which on goodput is at least 95 % of the load.
    fn recovered(&self) -> Option<u64> {
        let bad = self.goodput.iter().rposition(|answers| *answers * 100 < LOAD * 95);
        bad.map_or(Some(0), |bad| (bad + 1 < self.goodput.len()).then_some(bad as u64 + 1))
    }

    /// The same counted from the end of the fault.
    fn after_fault(&self) -> Option<u64> {
        self.recovered().map(|second| second.saturating_sub(FAULT.end))
    }
}

async fn simulate(name: &'static str, caller: Caller, server: Server) -> Run {
    seed(7);
    let world = Rc::new(World { slow: Cell::new(false), work: Cell::new(0), plain: Semaphore::new(10) });
    let answers = Rc::new(Cell::new(0));
    let began = Instant::now();
    let load = {
        let (world, answers) = (Rc::clone(&world), Rc::clone(&answers));
        async move {
            for number in 0..LOAD * END {
                sleep_until(began + Duration::from_micros(number * 1_000_000 / LOAD)).await;
                let (world, answers) = (Rc::clone(&world), Rc::clone(&answers));
                spawn_local(async move {
                    let asked = match caller {
                        Caller::Once => once(server, world, number).await,
                        Caller::Budget => with_budget(server, world, number).await,
                        Caller::NoBudget => without_budget(server, world, number).await,
                        Caller::Breaker => with_breaker(server, world, number).await,
                        Caller::Throttle => with_throttle(server, world, number).await,
                    };
                    if asked.is_ok() {
                        answers.set(answers.get() + 1);
                    }
                });
            }
        }
    };
    spawn_local(load);
    let mut run = Run { name, goodput: Vec::new(), work: Vec::new() };
    for second in 0..END {
        world.slow.set(FAULT.contains(&second));
        let before = (answers.get(), world.work.get());
        sleep_until(began + Duration::from_secs(second + 1)).await;
        run.goodput.push(answers.get() - before.0);
        run.work.push(world.work.get() - before.1);
    }
    run
}

fn run(name: &'static str, caller: Caller, server: Server) -> Run {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let tasks = LocalSet::new();
    let run = runtime.block_on(tasks.run_until(async move {
        let _alone = alone();
        simulate(name, caller, server).await
    }));
    println!(
        "{name:<60} +1 s {:>4}/s  +3 s {:>4}/s  +40 s {:>4}/s  work in the fault {:>5}/s  recovered {}",
        run.goodput[FAULT.end as usize + 1],
        run.goodput[FAULT.end as usize + 3],
        run.goodput[END as usize - 1],
        run.work[FAULT.end as usize - 2],
        run.after_fault().map_or("never".to_owned(), |seconds| format!("after {seconds} s")),
    );
    run
}

/// Goodput is back within twice the timeout.
#[track_caller]
fn comes_back(run: &Run) {
    let after = run.after_fault();
    assert!(after.is_some_and(|after| after <= 2), "{}: back after {after:?} s: {:?}", run.name, run.goodput);
}

#[test]
fn i_76_after_an_overload_goodput_comes_back_and_each_protection_is_there_for_a_reason() {
    let defaults =
        run("retry with its budget, deadline known, queue of 200", Caller::Budget, Server::Bounded);
    let replicas = run("the same with two replicas of half the size", Caller::Budget, Server::Replicas);
    let unbounded = run("without a bound on the queue", Caller::Budget, Server::Unbounded);
    let unbudgeted = run("without a budget", Caller::NoBudget, Server::Bounded);
    let zombie =
        run("the service does not know its callers' deadlines", Caller::Budget, Server::BoundedZombie);
    let backlog = run("neither deadlines nor a bound", Caller::Budget, Server::Zombie);
    let plain =
        run("the same in a queue that is always first in, first out", Caller::Budget, Server::PlainZombie);
    let storm = run("the same without a budget", Caller::NoBudget, Server::PlainZombie);
    let quiet = run("the same without retries", Caller::Once, Server::PlainZombie);
    let breaker = run("everything, and a circuit breaker", Caller::Breaker, Server::Bounded);
    let throttle = run("everything, and an adaptive circuit breaker", Caller::Throttle, Server::Bounded);
    comes_back(&defaults);
    comes_back(&replicas);
    // Under overload the newest is served first, so that nobody needs to know who has left.
    let in_fault = |run: &Run| (run.goodput[FAULT.end as usize - 2], run.work[FAULT.end as usize - 2]);
    for run in [&unbounded, &zombie, &backlog] {
        comes_back(run);
        let (answers, work) = in_fault(run);
        assert!(answers * 10 >= work * 9, "{}: {answers} answers of {work}", run.name);
    }
    // What they are there for.
    assert_eq!(storm.after_fault(), None, "retries without a budget keep it down: {:?}", storm.goodput);
    assert!(plain.after_fault().is_none_or(|after| after > 10), "{:?}", plain.goodput);
    assert!(in_fault(&unbudgeted).1 >= in_fault(&defaults).1);
    let runs =
        [defaults, replicas, unbounded, unbudgeted, zombie, backlog, plain, storm, quiet, breaker, throttle];
    page::write(&runs);
}
