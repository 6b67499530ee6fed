//! The specification of one call: what [`crate::check`] let through, in the shape that expands.
//!
//! A combination that cannot work has no place here: patterns and a fallback exist only for a call that
//! answers a `Result`, and a repeated call is one by its own variant.

use syn::{Expr, Ident, LitStr, Path, Type};

use crate::syntax::{Pattern, Policy, Value};

/// One call.
pub(crate) struct Call {
    /// `name = …`.
    pub(crate) name: Option<LitStr>,
    /// `level = …`.
    pub(crate) level: Option<&'static str>,
    /// `span_fields(…)`.
    pub(crate) fields: Vec<Expr>,
    /// The names under which sibling attributes were imported.
    pub(crate) imports: Vec<Path>,
    /// Every policy with its numbers, in canonical order.
    pub(crate) policies: Vec<Policy>,
    /// One for each rate limit, then that of a breaker with a key; empty when none has a key or a cost.
    pub(crate) charges: Vec<Charge>,
    /// What the body answers; `None` for nothing.
    pub(crate) output: Option<Type>,
    /// How a request that is sent again is known.
    pub(crate) ticket: Option<Ticket>,
    /// How the result is kept.
    pub(crate) cached: Option<Cached>,
    /// How the body runs.
    pub(crate) run: Run,
}

/// How a request that is sent again is known.
pub(crate) struct Ticket {
    /// `None` for the request's own `Idempotency-Key`.
    pub(crate) key: Option<Key>,
    pub(crate) fingerprint: Option<Expr>,
    /// Whose a key is that no principal sends; `None` to tell callers apart by their credentials.
    pub(crate) owner: Option<Key>,
    /// Whether a 204 stands in the place of a success.
    pub(crate) without_content: bool,
}

/// How a result is kept.
pub(crate) struct Cached {
    pub(crate) key: Key,
    /// Arguments in it whose type shows that it borrows.
    pub(crate) borrowed: Vec<String>,
    /// Whether it may be loaded anew in the background.
    pub(crate) revalidates: bool,
    /// Whether nothing shows that the error borrows, so that those who wait for a load may get it itself.
    pub(crate) shares: bool,
    /// Whether there is a bound on the size of results.
    pub(crate) weighed: bool,
    /// Errors that are kept too.
    pub(crate) negative: Option<Pattern>,
}

/// How the body runs.
pub(crate) enum Run {
    /// Once, whatever it answers: no policy takes part.
    Observed,
    /// Once, and its `Err` is a failure: no policy takes part.
    ObservedResult,
    /// Once; its type may be an alias of a `Result`, which only the compiler knows: no policy takes part.
    ObservedAlias,
    /// Once, under policies.
    Once(Judged),
    /// Under policies, several at once when one is slow.
    Hedged(Judged),
    /// Under policies, as often as the retry asks for.
    Repeated(Judged),
}

/// What is said of a `Result`.
pub(crate) struct Judged {
    pub(crate) judgements: Vec<Judgement>,
    /// Whether a circuit breaker has no patterns of its own, so that the error's type says what is no evidence.
    pub(crate) by_type: bool,
    /// `retry(retry_after = …)`.
    pub(crate) retry_after: Option<Expr>,
    pub(crate) fallback: Option<Fallback>,
}

impl Judged {
    /// Whether an `Ok` may be repeated.
    pub(crate) fn repeats_ok(&self) -> bool {
        let mut named = self.judgements.iter().filter(|judgement| judgement.method == "retry_if");
        named.any(|judgement| judgement.pattern.over_ok().is_some())
    }
}

/// A pattern, and what it says of a result that it matches.
pub(crate) struct Judgement {
    /// The method of `Verdict`.
    pub(crate) method: &'static str,
    pub(crate) pattern: Pattern,
}

impl Judgement {
    /// Whether what matches is evidence that nothing had been done.
    pub(crate) fn is_evidence(&self) -> bool {
        self.method == "not_executed_if"
    }
}

/// The answer given instead of an error.
pub(crate) struct Fallback {
    pub(crate) value: Expr,
    pub(crate) on: Option<Pattern>,
    pub(crate) not_on: Option<Pattern>,
}

/// What one rate limit charges, or a breaker with a key looks at.
pub(crate) struct Charge {
    pub(crate) key: Option<Key>,
    pub(crate) cost: Option<Expr>,
}

/// What tells the callers of a rate limit apart.
pub(crate) enum Key {
    /// A word of the request's context.
    Context(Ident),
    /// An expression over the arguments.
    Expression(Expr),
}

impl Call {
    /// A service instead of a function: policies alone.
    pub(crate) fn of_service(policies: Vec<Policy>) -> Self {
        let hardened = policies.iter().find(|policy| policy.name() == "hardened");
        let name = match hardened.and_then(|policy| policy.get("name")).map(|entry| &entry.value) {
            Some(Value::Text(name)) => Some(name.clone()),
            _ => None,
        };
        Self {
            name,
            level: hardened.and_then(|policy| policy.choice("level")),
            fields: Vec::new(),
            imports: Vec::new(),
            policies,
            charges: Vec::new(),
            output: None,
            ticket: None,
            cached: None,
            run: Run::Observed,
        }
    }

    /// What is said of the result, under policies.
    pub(crate) fn judged(&self) -> Option<&Judged> {
        match &self.run {
            Run::Once(judged) | Run::Hedged(judged) | Run::Repeated(judged) => Some(judged),
            Run::Observed | Run::ObservedResult | Run::ObservedAlias => None,
        }
    }

    /// Whether something is looked for before the attempts.
    pub(crate) fn comes_in(&self) -> bool {
        self.ticket.is_some() || self.cached.is_some()
    }

    /// Whether the body may run more than once.
    pub(crate) fn repeats(&self) -> bool {
        matches!(self.run, Run::Repeated(_) | Run::Hedged(_))
    }
}
