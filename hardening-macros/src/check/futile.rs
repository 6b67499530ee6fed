//! Keys that are each sound and together do nothing: what cannot work does not compile.

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
