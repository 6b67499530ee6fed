//! \[I-63\] Two instances behind a balancer that learns late, replaced one after the other.

use hardening_service_tests::ports::free;
use tokio::time::Duration;

use crate::balancer::Balancer;
use crate::load::{Load, Target};
use crate::process::Instance;

/// How late the balancer learns what an instance says of itself.
const LAG: Duration = Duration::from_secs(2);

/// Longer than the balancer takes to notice.
const PRE_DRAIN: Duration = Duration::from_millis(2500);

const RESTARTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_twenty_restarts_of_two_instances_lose_no_request() {
    let [one, its_admin, two, other_admin] = [(); 4].map(|()| free());
    let mut instances = vec![
        Instance::start(one, its_admin, PRE_DRAIN).await,
        Instance::start(two, other_admin, PRE_DRAIN).await,
    ];
    let addresses: Vec<_> = instances.iter().map(|instance| (instance.addr, instance.admin())).collect();
    let balancer = Balancer::start(&addresses, LAG).await;
    let target = Target { addr: balancer.addr, tls: None, requests_per_connection: u32::MAX };
    let load = Load::start(&target);
    for restart in 1..=RESTARTS {
        let oldest = instances.remove(0);
        instances.push(oldest.replaced(PRE_DRAIN).await);
        // The balancer must know of this one before the next one goes.
        balancer.all_ready().await;
        assert_eq!(load.failures(), Vec::<String>::new(), "after {restart} restarts");
    }
    let tally = load.end().await;
    let (requests, p50, p99) = (tally.took.len(), tally.percentile(50), tally.percentile(99));
    println!(
        "{RESTARTS} restarts: {requests} requests, {} of them gRPC, over {} connections, {} unsent at first, {} failed, p50 {p50:?}, \
         p99 {p99:?}",
        tally.calls,
        tally.connections,
        tally.unsent,
        tally.failures.len()
    );
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(requests > RESTARTS * 4 * 150, "the load was not what it should have been: {requests}");
    assert!(tally.calls > RESTARTS * 4 * 45, "too few calls of gRPC: {}", tally.calls);
    assert!(tally.connections > 22 + 8 * RESTARTS as u32, "connections moved: {}", tally.connections);
}
