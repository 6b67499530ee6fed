//! Answers that can be given again.

/// An answer that can be kept and given again. `Kind` says how: types that serde reads and writes are kept as JSON,
/// an HTTP response with its status, headers and body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept and given again",
    label = "this is neither a `Response` nor a type that serde reads and writes",
    note = "return `axum::response::Response`, or derive `serde::Serialize` and `serde::Deserialize` for it; an `impl IntoResponse` \
            becomes a `Response` by `.into_response()`"
)]
pub trait Replay<Kind>: Sized {
    /// Whether it came of something done. What was refused before anything was done is not kept: the request may be
    /// sent again.
    fn is_final(&self) -> bool {
        true
    }

    /// Itself, with what is kept of it; nothing when it cannot be.
    fn keep(self) -> impl Future<Output = (Self, Option<Vec<u8>>)>;

    /// The answer that was kept.
    fn give_again(kept: &[u8]) -> Option<Self>;
}

/// An answer in whose place a 204 can stand when its request is sent again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no status, so a 204 cannot stand in its place",
    label = "`duplicate = no_content` needs a `Response` here",
    note = "return `axum::response::Response`, or leave out `duplicate = no_content`: then the first answer is given again"
)]
pub trait NoContent: Sized {
    /// Whether the request was done. A failure is given again as it was: a 204 would say otherwise.
    fn is_success(&self) -> bool;

    /// The 204.
    fn no_content() -> Self;
}

/// Kept by nobody.
#[derive(Clone, Copy, Debug)]
pub struct Never;

/// A refusal came of nothing done.
impl Replay<Never> for crate::Rejected {
    fn is_final(&self) -> bool {
        false
    }

    async fn keep(self) -> (Self, Option<Vec<u8>>) {
        (self, None)
    }

    fn give_again(_: &[u8]) -> Option<Self> {
        None
    }
}

#[cfg(feature = "service")]
pub use http::{AsJson, AsResponse};

#[cfg(feature = "service")]
mod http {
    use axum::body::Body;
    use axum::response::Response;
    use http::{HeaderName, HeaderValue, StatusCode};
    use http_body::Body as _;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{NoContent, Replay};

    const REPLAYED: &str = "idempotent-replayed";

    impl NoContent for Response {
        fn is_success(&self) -> bool {
            self.status().is_success()
        }

        fn no_content() -> Self {
            let mut response = Self::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            response
        }
    }

    /// Kept as JSON.
    #[derive(Clone, Copy, Debug)]
    pub struct AsJson;

    impl<T: Serialize + DeserializeOwned> Replay<AsJson> for T {
        async fn keep(self) -> (Self, Option<Vec<u8>>) {
            let kept = serde_json::to_vec(&self).ok();
            (self, kept)
        }

        fn give_again(kept: &[u8]) -> Option<Self> {
            serde_json::from_slice(kept).ok()
        }
    }

    /// Kept with status, headers and body.
    #[derive(Clone, Copy, Debug)]
    pub struct AsResponse;

    /// The largest body that is kept.
    const LARGEST: u64 = 256 * 1024;

    impl Replay<AsResponse> for Response {
        /// What refuses a request before anything is done: malformed, conflicting, invalid, too many, unavailable.
        fn is_final(&self) -> bool {
            !matches!(self.status().as_u16(), 400 | 401 | 403 | 409 | 413 | 415 | 422 | 429 | 503)
        }

        async fn keep(self) -> (Self, Option<Vec<u8>>) {
            if self.body().size_hint().upper().is_none_or(|size| size > LARGEST) {
                return (self, None);
            }
            let (parts, body) = self.into_parts();
            let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
                // As a broken body would have ended anyway.
                return (Self::from_parts(parts, Body::empty()), None);
            };
            let mut kept = Vec::with_capacity(body.len() + 256);
            kept.extend(parts.status.as_u16().to_be_bytes());
            kept.extend((parts.headers.len() as u32).to_be_bytes());
            for (name, value) in &parts.headers {
                for text in [name.as_str().as_bytes(), value.as_bytes()] {
                    kept.extend((text.len() as u32).to_be_bytes());
                    kept.extend(text);
                }
            }
            kept.extend(&body);
            (Self::from_parts(parts, Body::from(body)), Some(kept))
        }

        fn give_again(kept: &[u8]) -> Option<Self> {
            let mut left = kept;
            let mut response = Self::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(u16::from_be_bytes(take(&mut left)?)).ok()?;
            for _ in 0..u32::from_be_bytes(take(&mut left)?) {
                let name = HeaderName::from_bytes(text(&mut left)?).ok()?;
                response.headers_mut().append(name, HeaderValue::from_bytes(text(&mut left)?).ok()?);
            }
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            *response.body_mut() = Body::from(left.to_vec());
            Some(response)
        }
    }

    fn take<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
        let (taken, rest) = left.split_first_chunk::<N>()?;
        *left = rest;
        Some(*taken)
    }

    fn text<'k>(left: &mut &'k [u8]) -> Option<&'k [u8]> {
        let length = u32::from_be_bytes(take(left)?) as usize;
        let (taken, rest) = left.split_at_checked(length)?;
        *left = rest;
        Some(taken)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn i_56_a_response_is_given_again_byte_for_byte() {
            let mut response = Response::new(Body::from(vec![0, 1, 255]));
            *response.status_mut() = StatusCode::CREATED;
            for value in ["a", "b"] {
                response.headers_mut().append("x-twice", HeaderValue::from_static(value));
            }
            let (given, kept) = response.keep().await;
            assert_eq!(given.status(), 201);
            let again = Response::give_again(&kept.unwrap()).unwrap();
            assert_eq!(again.status(), 201);
            assert_eq!(again.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(again.headers()["idempotent-replayed"], "true");
            assert_eq!(axum::body::to_bytes(again.into_body(), 10).await.unwrap(), [0, 1, 255].as_slice());
            assert!(Response::give_again(&[0, 200, 0, 0, 0, 9, 1]).is_none());
        }

        #[tokio::test]
        async fn a_stream_is_not_kept() {
            let large = Response::new(Body::from(vec![0; 300 * 1024]));
            assert!(large.keep().await.1.is_none());
        }
    }
}
