//! Refusals as the error types of plain axum handlers.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::problem::Problem;
use crate::Rejected;

/// The status of the problem that [`Rejected`] is over HTTP; `Retry-After` needs a whole [`Response`].
impl From<Rejected> for StatusCode {
    fn from(refusal: Rejected) -> Self {
        Problem::from(&refusal).status()
    }
}

/// The same with the problem's sentence, which names nothing of the internals.
impl From<Rejected> for (StatusCode, String) {
    fn from(refusal: Rejected) -> Self {
        let problem = Problem::from(&refusal);
        let (status, sentence, _) = problem.told();
        (status, sentence.to_owned())
    }
}

/// The same answer as [`Rejected`] itself gives: problem+json with `Retry-After`.
impl From<Rejected> for Response {
    fn from(refusal: Rejected) -> Self {
        refusal.into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_form_has_the_status_of_the_problem() {
        let busy = Rejected::RateLimited {
            limiter: "orders",
            retry_after: Duration::from_secs(3),
            limit: 1,
            remaining: 0,
        };
        assert_eq!(StatusCode::from(busy.clone()), StatusCode::TOO_MANY_REQUESTS);
        let (status, sentence) = <(StatusCode, String)>::from(busy.clone());
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert!(!sentence.is_empty() && !sentence.contains("orders"), "{sentence}");
        let response = Response::from(busy);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "3");
    }
}
