//! A stream of answers that ends with a status whatever happens: its deadline, the service's end, a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::messages::reading;
use super::status;
use crate::clock;
use crate::service::panics;
use crate::service::problem::Problem;
use crate::service::request::{closing, late};
use crate::service::server::Server;

/// The body of a call's answer.
pub(super) struct Ends {
    /// Dropped at the end, and with it the handler's work.
    inner: Option<Body>,
    server: Arc<Server>,
    id: String,
    /// By when it must have ended.
    deadline: Option<Instant>,
    /// The call's body has given something since the last wait. What it came to may be told after answers that were ready before.
    read: bool,
    /// Completes with what ends it from outside; made when it first has to wait.
    end: Option<Pin<Box<dyn Future<Output = Problem> + Send>>>,
}

impl Ends {
    pub(super) fn new(inner: Body, server: &Arc<Server>, id: String, deadline: Option<Instant>) -> Self {
        Self { inner: Some(inner), server: Arc::clone(server), id, deadline, read: false, end: None }
    }

    fn over(&mut self, problem: &Problem) -> Frame<Bytes> {
        self.inner = None;
        trailers(problem)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Problem> {
        let (server, deadline) = (&self.server, self.deadline);
        let end = self.end.get_or_insert_with(|| {
            let server = Arc::clone(server);
            Box::pin(async move {
                tokio::select! {
                    biased;
                    () = server.is_cut() => closing(),
                    () = clock::reached(deadline) => late(),
                }
            })
        });
        end.as_mut().poll(cx)
    }
}

/// The last frame of a call that ends so.
pub(super) fn trailers(problem: &Problem) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    // The texts are ours, and what no header may hold is escaped.
    let _ = status::of_problem(problem).add_header(&mut trailers);
    Frame::trailers(trailers)
}

impl HttpBody for Ends {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        // A stream that always has more would otherwise never be asked.
        if this.server.was_cut() {
            return Poll::Ready(Some(Ok(this.over(&closing()))));
        }
        if this.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(Some(Ok(this.over(&late()))));
        }
        let internal = || Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR);
        let (polled, read) = reading(|| catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx))));
        this.read |= read;
        let frame = match polled {
            Ok(Poll::Ready(Some(Ok(mut frame)))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    status::told(trailers, this.read);
                    this.inner = None;
                }
                Some(frame)
            }
            Ok(Poll::Ready(None)) => {
                this.inner = None;
                None
            }
            Ok(Poll::Ready(Some(Err(error)))) => {
                tracing::error!(request_id = this.id, %error, "a call's answer broke off");
                Some(this.over(&internal()))
            }
            Ok(Poll::Pending) => match this.poll_end(cx) {
                Poll::Ready(problem) => Some(this.over(&problem)),
                Poll::Pending => {
                    this.read = false;
                    return Poll::Pending;
                }
            },
            Err(panic) => {
                if !panics::are_told() {
                    let panic = panics::message(&*panic);
                    tracing::error!(request_id = this.id, panic, "a handler's stream panicked");
                }
                Some(this.over(&internal()))
            }
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
