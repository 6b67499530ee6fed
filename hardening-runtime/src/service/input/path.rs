//! Parts of a path.

use axum::extract::FromRequestParts;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::super::problem::Problem;
use super::pairs::Pairs;
use super::query::unfit;

/// The parts of a path that a route names: one alone, several in their order as a tuple, or by name as a type's fields.
///
/// What does not fit is 400 with problem+json that names the part.
///
/// ```
/// use hardening_runtime::service::input::Path;
///
/// async fn item(Path((shop, item)): Path<(String, u32)>) -> String {
///     format!("{item} of {shop}")
/// }
/// # axum::Router::<()>::new().route("/shops/{shop}/items/{item}", axum::routing::get(item));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = match RawPathParams::from_request_parts(parts, state).await {
            Ok(named) => named,
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST).detail("The path is not UTF-8."));
            }
            Err(error) => {
                tracing::error!(%error, "a handler asks for parts of a path whose route names none");
                return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR));
            }
        };
        Pairs::of_path(named.iter()).read().map(Self).map_err(|wrong| unfit(&wrong))
    }
}
