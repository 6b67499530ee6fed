//! Bodies of forms.

use axum::extract::{FromRequest, Request};
use http::header;
use serde::de::DeserializeOwned;

use super::super::json::bytes;
use super::super::problem::{Media, Problem};
use super::super::words::unfit;
use super::pairs::Pairs;

/// The body of a form, as a type's fields. A field that is a list takes every value of its name.
///
/// It refuses with problem+json: 415 for another content type, 422 naming the field for what does not fit, 413 and 408 for
/// bodies beyond the limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(Media::Form.name()) {
            return Err(Problem::other_media(Media::Form));
        }
        let body = bytes(request, state).await?;
        let read = Pairs::of_form(&body).and_then(Pairs::read);
        read.map(Self).map_err(|wrong| unfit(&wrong.place, &wrong.message))
    }
}
