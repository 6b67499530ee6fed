//! Answers that can be given again.

/// What an answer says of what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is the answer of its request: it is kept.
    All,
    /// What was refused before anything was done is not kept: the request may be sent again.
    Nothing,
    /// What was cut may have done anything: its request is left to be taken over.
    Unknown,
}

/// An answer that can be kept and given again. `Kind` says how: types that serde reads and writes are kept as JSON,
/// an HTTP response with its status, headers and body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept and given again",
    label = "this is neither a `Response` nor a type that serde reads and writes",
    note = "a type of this crate: derive `serde::Serialize` and `serde::Deserialize` for it; a type of another crate, as success or as \
            error: return `axum::response::Response`, `hardening::Rejected`, or an enum of your own; an `impl IntoResponse` becomes a \
            `Response` by `.into_response()`"
)]
pub trait Replay<Kind>: Sized {
    /// What it says of what was done.
    fn done(&self) -> Done {
        Done::All
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

/// A refusal came of nothing done, unless it says that something took too long.
impl Replay<Never> for crate::Rejected {
    fn done(&self) -> Done {
        match self {
            Self::Timeout { .. } | Self::DeadlineExceeded { .. } => Done::Unknown,
            _ => Done::Nothing,
        }
    }

    async fn keep(self) -> (Self, Option<Vec<u8>>) {
        (self, None)
    }

    fn give_again(_: &[u8]) -> Option<Self> {
        None
    }
}

#[cfg(feature = "service")]
pub(crate) use http::REPLAYED;
#[cfg(feature = "service")]
pub use http::{AsJson, AsResponse};

#[cfg(feature = "service")]
mod http {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::Body;
    use axum::response::Response;
    use bytes::Bytes;
    use http::header::{CONNECTION, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
    use http::{HeaderName, HeaderValue, StatusCode};
    use http_body::{Body as _, Frame};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Done, NoContent, Replay};

    /// What an answer carries that is given again.
    pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

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

    #[diagnostic::do_not_recommend]
    impl<T: Serialize + DeserializeOwned> Replay<AsJson> for T {
        async fn keep(self) -> (Self, Option<Vec<u8>>) {
            // Some values go into JSON and do not come out, NaN for one.
            let kept = serde_json::to_vec(&self).ok().filter(|kept| Self::give_again(kept).is_some());
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
        fn done(&self) -> Done {
            match self.status().as_u16() {
                400 | 401 | 403 | 409 | 413 | 415 | 422 | 429 | 503 => Done::Nothing,
                _ => Done::All,
            }
        }

        async fn keep(self) -> (Self, Option<Vec<u8>>) {
            if self.body().size_hint().upper().is_none_or(|size| size > LARGEST) {
                return (self, None);
            }
            let (parts, mut body) = self.into_parts();
            let mut whole = Vec::new();
            let broken = loop {
                match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                    None => break None,
                    Some(Ok(frame)) => whole.extend_from_slice(&frame.into_data().unwrap_or_default()),
                    Some(Err(error)) => break Some(error),
                }
            };
            let body = Bytes::from(whole);
            if let Some(error) = broken {
                let broken = Broken { came: Some(body), error: Some(error) };
                return (Self::from_parts(parts, Body::new(broken)), None);
            }
            let mut kept = Vec::with_capacity(body.len() + 256);
            kept.extend(parts.status.as_u16().to_be_bytes());
            let lasting = || parts.headers.iter().filter(|(name, _)| lasts(name));
            kept.extend((lasting().count() as u32).to_be_bytes());
            for (name, value) in lasting() {
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

    /// Whether a field of an answer is given again. A cookie is one browser's own: a session would go to whoever sends the request
    /// again. Others speak of the connection on which the first answer went (RFC 9110, section 7.6.1).
    fn lasts(name: &HeaderName) -> bool {
        const OF_THE_CONNECTION: [HeaderName; 6] =
            [CONNECTION, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
        *name != SET_COOKIE
            && !OF_THE_CONNECTION.contains(name)
            && name != "keep-alive"
            && name != "set-cookie2"
    }

    /// What had come of a body, and then its error.
    struct Broken {
        came: Option<Bytes>,
        error: Option<axum::Error>,
    }

    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            let came = self.came.take().filter(|came| !came.is_empty()).map(|came| Ok(Frame::data(came)));
            Poll::Ready(came.or_else(|| self.error.take().map(Err)))
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
            for value in ["sid=1", "seen=1"] {
                response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(value));
            }
            for name in ["connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "set-cookie2"]
            {
                response.headers_mut().insert(name, HeaderValue::from_static("close"));
            }
            let (given, kept) = response.keep().await;
            assert_eq!(given.status(), 201);
            assert_eq!(given.headers().get_all(SET_COOKIE).iter().count(), 2);
            let again = Response::give_again(&kept.unwrap()).unwrap();
            assert_eq!(again.status(), 201);
            assert_eq!(again.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(again.headers()["idempotent-replayed"], "true");
            assert!(!again.headers().contains_key(SET_COOKIE), "cookies are of one browser");
            let names: Vec<_> = again.headers().keys().map(HeaderName::as_str).collect();
            assert_eq!(names, ["x-twice", "idempotent-replayed"], "and others of one connection");
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
