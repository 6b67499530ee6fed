//! `grpc.health.v1`, answered from the same state as the probes.
//!
//! Its two messages are so small that they are read and written here: a request is one text, an answer is one number.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;
use tonic::Status;

use super::ends::{self, Ends};
use super::watchers::Place;
use super::{STATUS, is, methods, status};
use crate::clock;
use crate::service::account::Account;
use crate::service::client::Client;
use crate::service::limit::Bucket;
use crate::service::problem::Problem;
use crate::service::request::{closing, late};
use crate::service::server::{Server, Surface};
use crate::service::shutdown::Stage;
use crate::service::wire::Conn;
use crate::telemetry::recent;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const OTHER: &str = "/grpc.health.v1.Health/other";
const SERVICE: &str = "grpc.health.v1.Health";
/// The longest request that is read.
const LONGEST: usize = 4096;

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving = 1,
    NotServing = 2,
    Unknown = 3,
}

impl State {
    fn of(known: bool, serving: bool) -> Self {
        match (known, serving) {
            (false, _) => Self::Unknown,
            (true, true) => Self::Serving,
            (true, false) => Self::NotServing,
        }
    }

    /// `HealthCheckResponse { status }`, with its prefix.
    fn message(self) -> Bytes {
        Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 0x08, self as u8])
    }
}

/// Whether this path is one of health's.
pub(super) fn is_path(parts: &Parts) -> bool {
    let path = parts.uri.path().strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE));
    path.is_some_and(|method| method.starts_with('/'))
}

/// Whether this asks for health.
pub(in crate::service) fn asked(server: &Server, parts: &Parts) -> bool {
    is_path(parts) && is(server, parts)
}

/// Answers who asks. No shutdown waits for it and no place is held by it. Check is a probe, which no limit of clients holds; Watch lasts,
/// so it is charged where strangers ask.
pub(in crate::service) async fn answer(
    server: &Arc<Server>,
    parts: &Parts,
    body: Incoming,
    client: Client,
    account: &mut Account,
) -> Response {
    account.let_go();
    let watches = match parts.uri.path() {
        CHECK => false,
        WATCH => true,
        _ => {
            account.probe(OTHER);
            return Status::unimplemented("").into_http();
        }
    };
    account.probe(if watches { WATCH } else { CHECK });
    if watches
        && account.surface == Surface::Public
        && let Some(wait) = server.limits.charge(Bucket::All, client, account.began, &mut account.standing)
    {
        recent::refused("http client", "rate_limited");
        return status::of_problem(&account.standing.refusal(wait)).into_http();
    }
    let conn = Arc::clone(&account.conn);
    let service = tokio::select! {
        biased;
        service = service(body) => service,
        () = clock::until(account.deadline) => return status::of_problem(&late()).into_http(),
        () = server.is_cut() => return status::of_problem(&closing()).into_http(),
        () = conn.is_ending() => return status::of_problem(&ending()).into_http(),
    };
    let service = match service {
        Ok(service) => service,
        Err(status) => return status.into_http(),
    };
    let known = service.is_empty() || service == SERVICE || serves(server, &service).await;
    let mut serving = server.health.serving();
    if watches {
        let Some(place) = server.watchers.admit(account.surface, &client) else {
            return Status::resource_exhausted("As many watch as may.").into_http();
        };
        let watcher = Watcher { known, told: None, serving, stages: server.stages(), place, conn };
        let watching = Body::new(Watching(Some(Box::pin(watcher.next()))));
        return answered(Body::new(Ends::new(watching, server, account.id().to_owned(), account.ends())));
    }
    let state = State::of(known, *serving.borrow_and_update());
    match state {
        State::Unknown => Status::not_found("There is no service of this name.").into_http(),
        State::Serving | State::NotServing => answered(once(state)),
    }
}

async fn serves(server: &Server, service: &str) -> bool {
    match &server.grpc {
        Some(services) => methods::serves(services, service).await,
        None => false,
    }
}

fn answered(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The answer to Check: a state, and that all is well.
fn once(state: State) -> Body {
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    Body::new(Full::new(state.message()).with_trailers(std::future::ready(Some(Ok(trailers)))))
}

/// The service that is asked for.
async fn service(body: Incoming) -> Result<String, Status> {
    let body = Limited::new(body, LONGEST).collect().await;
    let body = body.map_err(|_| Status::invalid_argument("The request could not be read."))?.to_bytes();
    let Some((prefix, message)) = body.split_at_checked(5) else {
        return Err(Status::invalid_argument("The request holds no message."));
    };
    if prefix[0] != 0 {
        return Err(Status::unimplemented("The request is compressed."));
    }
    if prefix[1..] != u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes() {
        return Err(Status::invalid_argument("The request is not one message."));
    }
    read(message).ok_or_else(|| Status::invalid_argument("The message could not be read."))
}

/// `HealthCheckRequest { service }` as protobuf: of fields that are there twice the last one counts, and what is not known
/// is passed over.
fn read(mut message: &[u8]) -> Option<String> {
    let mut service: &[u8] = &[];
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let skip = match tag & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = message.split_at_checked(skip)?;
        message = rest;
        match tag {
            0b1010 => service = field,
            0..8 => return None,
            _ => {}
        }
    }
    String::from_utf8(service.to_vec()).ok()
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// One who watches.
struct Watcher {
    known: bool,
    told: Option<State>,
    serving: watch::Receiver<bool>,
    stages: watch::Receiver<Stage>,
    place: Place,
    conn: Arc<Conn>,
}

type Next = Pin<Box<dyn Future<Output = (Frame<Bytes>, Option<Watcher>)> + Send>>;

impl Watcher {
    /// Waits for the next change. When the service accepts no more, or the connection is another's place, watching ends, so that
    /// the connection can.
    async fn next(mut self) -> (Frame<Bytes>, Option<Self>) {
        loop {
            let state = State::of(self.known, *self.serving.borrow_and_update());
            if self.told != Some(state) {
                self.told = Some(state);
                return (Frame::data(state.message()), Some(self));
            }
            if *self.stages.borrow_and_update() >= Stage::Draining {
                return (ends::trailers(&closing()), None);
            }
            // The senders live as long as the server, which who watches holds.
            // A drain says more than the end of the connection, which comes of it.
            tokio::select! {
                biased;
                _ = self.stages.changed() => {}
                _ = self.serving.changed() => {}
                () = self.conn.is_ending() => return (ends::trailers(&ending()), None),
                () = self.place.taken() => return (ends::trailers(&displaced()), None),
            }
        }
    }
}

/// What is said where the connection ends before the service does.
fn ending() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail("This connection ends; ask on another one.")
}

/// What is said to who loses its place to another.
fn displaced() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS).detail("Another client watches in its place.")
}

/// The answer to Watch.
struct Watching(Option<Next>);

impl HttpBody for Watching {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let (frame, rest) = ready!(next.as_mut().poll(cx));
        self.0 = rest.map(|rest| -> Next { Box::pin(rest.next()) });
        Poll::Ready(Some(Ok(frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_protobuf_has_them() {
        for (message, service) in [
            (&b""[..], Some("")),
            (b"\x0a\x03a.B", Some("a.B")),
            (b"\x0a\x01a\x0a\x01b", Some("b")),
            (b"\x10\x96\x01\x0a\x01a", Some("a")),
            (b"\x19\0\0\0\0\0\0\0\0\x0a\x01a\x25\0\0\0\0\x32\x02xy", Some("a")),
            (b"\x0a\x04a.B", None),
            (b"\x0a", None),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", None),
            (b"\x0b", None),
            (b"\x02\x01a", None),
            (b"\x0a\x01\xff", None),
        ] {
            assert_eq!(read(message).as_deref(), service, "{message:?}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let message: Vec<u8> = (0..random.usize(0..20)).map(|_| random.u8(..)).collect();
            let _ = read(&message);
        }
    }
}
