//! Section 15: state belongs to the site, whatever type, instance, argument or thread calls it.

use std::thread;

use hardening::{CircuitState, bulkhead, circuit_breaker, rate_limited};

use crate::support::{Answer, Error, Reply, Script, begin, calls, check, circuit, end, guarded, said, state};

struct Client {
    body: Script,
}

impl Client {
    #[circuit_breaker(window = 4, min_calls = 4, open_for = 50s)]
    async fn scp_01(&self) -> Answer {
        self.body.run().await
    }

    #[circuit_breaker(window = 4, min_calls = 4, open_for = 50s)]
    async fn scp_07(self) -> Answer {
        self.body.run().await
    }

    #[rate_limited(1/s, burst = 1)]
    async fn inner(&self) -> Answer {
        self.body.run().await
    }

    /// No policy of its own.
    async fn outer(&self) -> Answer {
        self.inner().await
    }

    #[bulkhead(max = 1)]
    async fn through_itself(&self) -> Answer {
        self.through_another().await
    }

    async fn through_another(&self) -> Answer {
        Box::pin(self.through_itself()).await
    }
}

#[tokio::test(start_paused = true)]
async fn scp_01_two_instances_share() {
    let (one, other) = (Client { body: Script::new("F") }, Client { body: Script::new("F") });
    check("one", calls(2, || one.scp_01()).await, "F F");
    check("other", calls(2, || other.scp_01()).await, "F F");
    check("both", (said(&one.scp_01().await), said(&other.scp_01().await)), ("Open", "Open"));
    check("exec", (one.body.exec(), other.body.exec()), (2, 2));
}

guarded! {
    #[circuit_breaker(window = 4, min_calls = 4, open_for = 50s)] scp_03_one;
    #[circuit_breaker(window = 4, min_calls = 4, open_for = 50s)] scp_03_other;
}

#[tokio::test(start_paused = true)]
async fn scp_03_the_same_words_on_two_functions_are_two_circuits() {
    let body = Script::new("F");
    check("one", calls(5, || scp_03_one(body.clone())).await, "F F F F Open");
    check("other", said(&scp_03_other(body.clone()).await), "F");
    check(
        "states",
        (state("scope::scp_03_one"), state("scope::scp_03_other")),
        (CircuitState::Open, CircuitState::Closed),
    );
}

macro_rules! store {
    ($($module:ident $type:ident),+) => {$(
        mod $module {
            use super::{Answer, Script, circuit_breaker};

            pub(super) struct $type;

            impl $type {
                #[circuit_breaker(window = 2, min_calls = 2, open_for = 50s)]
                pub(super) async fn read(&self, body: &Script) -> Answer {
                    body.run().await
                }
            }
        }
    )+};
}

store!(near Near, far Far);

/// There is no inheritance: the same lines in two types are two sites.
#[tokio::test(start_paused = true)]
async fn scp_04_two_types_have_two_circuits() {
    let body = Script::new("F");
    check("near", calls(3, || near::Near.read(&body)).await, "F F Open");
    check("far", said(&far::Far.read(&body).await), "F");
    check(
        "names",
        (state("scope::near::read"), state("scope::far::read")),
        (CircuitState::Open, CircuitState::Closed),
    );
}

#[tokio::test(start_paused = true)]
async fn scp_07_an_object_for_each_call() {
    let body = Script::new("F");
    let out = calls(5, || Client { body: body.clone() }.scp_07()).await;
    check("SCP-07", out, "F F F F Open");
}

#[tokio::test(start_paused = true)]
async fn scp_09_a_call_from_within_the_same_object() {
    let client = Client { body: Script::new("S") };
    check("SCP-09", (said(&client.outer().await), said(&client.outer().await)), ("S", "Limited"));
    // The call that comes around to itself finds its own place taken.
    check("SCP-09 around", said(&client.through_itself().await), "Full");
}

trait Service {
    fn body(&self) -> &Script;

    #[circuit_breaker(window = 2, min_calls = 2, open_for = 50s)]
    async fn by_default(&self) -> Answer {
        self.body().run().await
    }
}

struct First(Script);
struct Second(Script);

impl Service for First {
    fn body(&self) -> &Script {
        &self.0
    }
}

impl Service for Second {
    fn body(&self) -> &Script {
        &self.0
    }
}

#[circuit_breaker(window = 2, min_calls = 2, open_for = 50s)]
async fn generic<T>(_: T, body: &Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn scp_10_default_methods_and_instantiations_share() {
    let (first, second) = (First(Script::new("F")), Second(Script::new("F")));
    check("default method", (said(&first.by_default().await), said(&second.by_default().await)), ("F", "F"));
    check(
        "default method",
        (said(&first.by_default().await), said(&second.by_default().await)),
        ("Open", "Open"),
    );
    let body = Script::new("F");
    check("generic", (said(&generic(1_u8, &body).await), said(&generic("x", &body).await)), ("F", "F"));
    check("generic", said(&generic(1.5_f32, &body).await), "Open");
}

fn within_a_function() -> impl Future<Output = Answer> {
    #[rate_limited(1/s, burst = 1)]
    async fn hidden() -> Answer {
        Ok(Reply::Good)
    }
    hidden()
}

#[tokio::test(start_paused = true)]
async fn a_function_within_a_function_has_one_state() {
    let out = (said(&within_a_function().await), said(&within_a_function().await));
    check("hidden", out, ("S", "Limited"));
}

#[rate_limited(3/h, burst = 3)]
async fn from_everywhere() -> Answer {
    Ok(Reply::Good)
}

/// Threads and runtimes share a site too: the limit is the process's.
#[test]
fn runtimes_and_threads_share() {
    let call = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        said(&runtime.block_on(from_everywhere()))
    };
    let mut out: Vec<_> = (0..5).map(|_| thread::spawn(call)).map(|thread| thread.join().unwrap()).collect();
    out.sort_unstable();
    check("five threads", out, ["Limited", "Limited", "S", "S", "S"]);
}

#[tokio::test(start_paused = true)]
async fn tasks_share() {
    let body = Script::new("S(100)");
    let tasks = [begin(two_at_once(body.clone())).await, begin(two_at_once(body.clone())).await];
    check("third", said(&two_at_once(body.clone()).await), "Full");
    for task in tasks {
        check("task", end(task).await, "S");
    }
}

guarded! {
    #[bulkhead(max = 2)] two_at_once;
}

mod inner {
    use super::{Answer, Error, circuit_breaker};

    #[circuit_breaker(window = 2, min_calls = 2, open_for = 50s)]
    pub(super) async fn nested() -> Answer {
        Err(Error::F)
    }

    #[hardening::hardened(name = "by another name", circuit_breaker(window = 2, min_calls = 2, open_for = 50s))]
    pub(super) async fn renamed() -> Answer {
        Err(Error::F)
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_s_name_is_its_function_s_path_or_what_was_written() {
    check("nested", calls(3, inner::nested).await, "F F Open");
    check("nested", circuit("scope::inner::nested").state(), CircuitState::Open);
    check("renamed", calls(3, inner::renamed).await, "F F Open");
    check("renamed", circuit("by another name").state(), CircuitState::Open);
    let unknown = hardening::circuit("scope::inner::nestde").unwrap_err();
    check("unknown", unknown.nearest, Some("scope::inner::nested"));
}
