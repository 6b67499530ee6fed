//! Keys that are each sound and together do nothing: what cannot work does not compile.

use hardening_spec::keys;

use crate::diagnostics::Errors;
use crate::syntax::Policy;

/// Patterns of a retry that leave nothing to repeat.
pub(super) fn retry(policy: &Policy, errors: &mut Errors) {
    let (on, evidence) = (policy.pattern("on"), policy.pattern("not_executed"));
    if let (Some(evidence), true) = (evidence, policy.means("idempotent")) {
        errors.at(
            evidence,
            "`idempotent` says that every failure may be repeated, so `not_executed` says nothing: keep one of them; \
             what is worth repeating is said by `on` and `not_on`",
        );
        return;
    }
    if let (Some(on), Some(evidence)) = (on, evidence)
        && on.excludes(evidence)
    {
        errors.at(
            on,
            "`on` says what is worth repeating, `not_executed` what may be, and nothing is both, so nothing is ever repeated: \
             name in `not_executed` what `on` names, or leave `on` out",
        );
    }
    for named in ["on", "not_executed"] {
        if takes_back(policy, "not_on", named, "nothing of it is ever repeated", errors) {
            return;
        }
    }
}

/// Patterns of a circuit breaker that leave nothing to count.
pub(super) fn circuit_breaker(policy: &Policy, errors: &mut Errors) {
    takes_back(policy, "ignore", "failure", "no answer is ever a failure", errors);
}

/// Patterns of a fallback that leave nothing to answer for.
pub(super) fn fallback(policy: &Policy, errors: &mut Errors) {
    takes_back(policy, "not_on", "on", "the fallback answers for no error", errors);
}

/// Patterns that take back every error, in a function that fails in no other way that its policy takes note of.
pub(super) fn alone(policies: &[Policy], errors: &mut Errors) {
    let is_written = |name: &str| policies.iter().any(|policy| policy.name() == name);
    for policy in policies.iter().filter(|policy| policy.shared.is_none()) {
        let every = |key: &str| policy.pattern(key).filter(|pattern| pattern.is_catch_all());
        if policy.name() == keys::RETRY.name
            && let (Some(not_on), false) =
                (every("not_on"), policy.means("on") || policy.means("not_executed"))
        {
            let limits = policies.iter().any(|policy| policy.choice("per") == Some("attempt"));
            if !(limits || is_written("timeout") || is_written("bulkhead")) {
                errors.at(
                    not_on,
                    "`not_on` takes back every error, and without a `timeout`, a `bulkhead` or a limit `per = attempt` there is \
                     nothing else to repeat: leave something of it",
                );
            }
        }
        if policy.name() == keys::CIRCUIT_BREAKER.name
            && let (Some(ignore), false) =
                (every("ignore"), policy.means("failure") || policy.means("slow_call"))
        {
            let cut = policy.choice("timeouts") != Some("ignore");
            if !(cut && (is_written("timeout") || is_written("deadline"))) {
                errors.at(
                    ignore,
                    "`ignore` takes back every error, and without `slow_call`, or a `timeout` or `deadline` that counts, nothing but \
                     a panic is a failure: leave something of it",
                );
            }
        }
    }
}

/// Reports a pattern that wins over another one and covers it, so that `nothing` is left of that; answers whether it does.
fn takes_back(policy: &Policy, winner: &str, named: &str, nothing: &str, errors: &mut Errors) -> bool {
    let (Some(wins), Some(pattern)) = (policy.pattern(winner), policy.pattern(named)) else { return false };
    let covers = wins.covers(pattern);
    if covers {
        let message = format!(
            "`{winner}` wins, and it takes back everything that `{named}` names, so {nothing}: leave something of it"
        );
        errors.at(wins, message);
    }
    covers
}
