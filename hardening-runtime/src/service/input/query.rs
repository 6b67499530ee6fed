//! What stands behind the `?`.

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::super::problem::Problem;
use super::super::words::wrong;
use super::pairs::{Pairs, Unfit};

/// The query of a request, as a type's fields. A field that is a list takes every value of its name.
///
/// What does not fit is 400 with problem+json that names the field. Fields that the type does not have are passed over
/// unless it says `#[serde(deny_unknown_fields)]`.
///
/// ```
/// use hardening_runtime::service::input::Query;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Search {
///     text: String,
///     #[serde(default)]
///     tags: Vec<String>,
/// }
///
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} in {} tags", search.text, search.tags.len())
/// }
/// # axum::Router::<()>::new().route("/", axum::routing::get(search));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Pairs::of_form(query.as_bytes()).and_then(Pairs::read).map(Self).map_err(|wrong| unfit(&wrong))
    }
}

/// The address is wrong, and not what is sent to it.
pub(super) fn unfit(unfit: &Unfit) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST)
        .kind("urn:hardening:problem:validation")
        .title("Validation failed");
    wrong(problem, &unfit.place, &unfit.message)
}
