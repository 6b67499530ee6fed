//! Keys that are each sound and together do nothing: what cannot work does not compile.

use crate::diagnostics::Errors;
use crate::syntax::Policy;

/// Patterns of a retry that leave nothing to repeat.
pub(super) fn retry(policy: &Policy, errors: &mut Errors) {
    let (on, not_on) = (policy.pattern("on"), policy.pattern("not_on"));
    let evidence = policy.pattern("not_executed");
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
    let taken_back = [("on", on), ("not_executed", evidence)];
    for (key, named) in taken_back {
        if let (Some(named), Some(not_on)) = (named, not_on)
            && not_on.covers(named)
        {
            let message = format!(
                "`not_on` wins, and it takes back everything that `{key}` names, so nothing of it is ever repeated: \
                 leave something of it"
            );
            errors.at(not_on, message);
            return;
        }
    }
}

/// Patterns of a circuit breaker that leave nothing to count.
pub(super) fn circuit_breaker(policy: &Policy, errors: &mut Errors) {
    if let (Some(failure), Some(ignore)) = (policy.pattern("failure"), policy.pattern("ignore"))
        && ignore.covers(failure)
    {
        errors.at(
            ignore,
            "`ignore` wins, and it takes back everything that `failure` names, so no answer is ever a failure: \
             leave something of it",
        );
    }
}

/// Patterns of a fallback that leave nothing to answer for.
pub(super) fn fallback(policy: &Policy, errors: &mut Errors) {
    if let (Some(on), Some(not_on)) = (policy.pattern("on"), policy.pattern("not_on"))
        && not_on.covers(on)
    {
        errors.at(
            not_on,
            "`not_on` wins, and it takes back everything that `on` names, so the fallback answers for no error: \
             leave something of it",
        );
    }
}
