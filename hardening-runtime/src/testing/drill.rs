//! One call of a site with a body of the drill's own: everything but the user's code is what runs in production.

use std::ops::ControlFlow::{Break, Continue};
use std::pin::pin;

use hardening_spec::CallSpec;

use crate::Rejected;
use crate::context::{self, Principal};
use crate::policy::rate_limit::Charge;
use crate::site::{Call, KeepError, Outcome, Site, Verdict};

/// What a drilled body does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Succeeds,
    Fails,
    Hangs,
}

impl Body {
    pub(super) async fn run(self) -> Result<(), Rejected> {
        match self {
            Self::Succeeds => Ok(()),
            Self::Fails => Err(Rejected::LoadFailed { call: "drill", cause: None }),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// How a drilled call ended, and how often its body began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) result: Result<(), Rejected>,
    pub(super) bodies: u32,
    /// Whether the fallback answered.
    pub(super) fell_back: bool,
}

/// Calls `site` once, as its expansion would: with the loop of a retry, keys that are the same for each call with this `key`,
/// the evidence that a retry asks for, and the right that the caller needs.
pub(super) async fn call(site: &'static Site, body: Body, key: u64) -> End {
    allowed(site, called(site, site.declared(), body, key)).await
}

/// Runs `call` as somebody who holds the right that the site asks for.
pub(super) async fn allowed<F: Future>(site: &'static Site, call: F) -> F::Output {
    let mut caller = Principal::new("drill");
    caller.scopes.extend(site.declared().requires.map(str::to_owned));
    context::as_principal(caller, call).await
}

/// Begins a call of `site` with its charges.
pub(super) fn begin<'c>(site: &'static Site, charges: &'c [Charge]) -> Call<'c> {
    if charges.is_empty() { site.begin_call() } else { site.begin_charged_call(charges) }
}

async fn called(site: &'static Site, spec: &CallSpec, body: Body, key: u64) -> End {
    let charges = charges(spec, key);
    let mut call = begin(site, &charges);
    let mut bodies = 0;
    let settled = loop {
        if call.must_wait_for_turn() {
            call.wait_for_turn().await;
        }
        let outcome = call
            .run_attempt(pin!(async {
                bodies += 1;
                body.run().await
            }))
            .await;
        let verdict = verdict(&outcome);
        let again = match call.settle_attempt_as(KeepError, outcome, verdict) {
            Break(settled) => break settled,
            Continue(again) => again,
        };
        if let Break(settled) = again.await {
            break settled;
        }
    };
    if spec.fallback.is_some() {
        return match call.finish_call_or(settled, true) {
            Break(result) => End { result, bodies, fell_back: false },
            Continue(_) => End { result: answer(call).await, bodies, fell_back: true },
        };
    }
    End { result: call.finish_call(settled), bodies, fell_back: false }
}

async fn answer(mut call: Call<'_>) -> Result<(), Rejected> {
    call.run_fallback(pin!(async { Ok(()) })).await
}

/// What fails here had done nothing, which is the evidence of a retry that asks for it.
fn verdict(outcome: &Outcome<Result<(), Rejected>>) -> Verdict {
    match outcome {
        Outcome::Returned(result) => Verdict::of(result).not_executed_if(result.is_err()),
        Outcome::Refused(_) => Verdict::REFUSED,
    }
}

/// What a call with this `key` is charged; nothing where the expansion charges nothing.
pub(super) fn charges(spec: &CallSpec, key: u64) -> Vec<Charge> {
    let limits =
        spec.limits().map(|(_, limit)| if limit.keyed { Charge::keyed(&key, 1) } else { Charge::ONE });
    let keyed = [spec.circuit_breaker.is_some_and(|of| of.keyed), spec.bulkhead.is_some_and(|of| of.keyed)];
    let others = keyed.into_iter().filter(|keyed| *keyed).map(|_| Charge::keyed(&key, 1));
    let charges: Vec<Charge> = limits.chain(others).collect();
    let plain = spec.limits().all(|(_, limit)| !limit.keyed) && keyed == [false; 2];
    if plain { Vec::new() } else { charges }
}
