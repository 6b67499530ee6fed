//! One connection: hyper speaks on it, its clock watches it, and its end is said properly.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::Instant;

use super::address::Shown;
use super::client::Client;
use super::http_date;
use super::limit::{Bucket, Standing};
use super::problem::{PROBLEM_JSON, Problem, whole_seconds};
use super::rarely::Rarely;
use super::request;
use super::request_id;
use super::said::Said;
use super::server::{Server, Surface};
use super::shutdown::Stage;
use super::slot::Slot;
use super::streams::Streams;
use super::tls::{Over, Validity};
use super::upgrade::End;
use super::wire::{Conn, Waiting, Wire};
use crate::clock::{self, NEVER, Nanos, nanos, since_1970};
use crate::retry_after;
use crate::settings::Http;

/// How long a connection that we end may take to read its last answer.
const LINGER: Duration = Duration::from_secs(1);

/// How long a connection accepted at the very end may take to say its first word, and how often that is looked at.
pub(super) const FIRST_WORD: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a connection may take to end whose place is another's: its socket is open all the while.
const GIVES_WAY: Duration = Duration::from_secs(2);

/// How much larger than what we take a head over HTTP/2 may be and still be refused by us. What is larger yet is refused by the
/// HTTP machinery with a bare status, or ends the connection: a head that is unpacked is memory.
const HTTP2_ROOM: usize = 64 << 10;

/// A piece of an answer over HTTP/2, of 16 KiB at the most, may wait for its client so many times as long as a client may take
/// nothing: those of other streams come before it.
const UNTAKEN: u64 = 2;

/// What hyper is told, once for all connections.
pub(crate) fn builder(http: &Http) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams);
    // Head and URI are judged by our own limits, which answer with a problem; this bounds what is buffered for it.
    let head = http.header_limit.saturating_add(http.uri_limit).saturating_add(8192);
    let head = usize::try_from(head).unwrap_or(usize::MAX);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(http.http2_streams)
        .max_header_list_size(u32::try_from(head.saturating_add(HTTP2_ROOM)).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        // The question waits behind what the system holds for a client that takes an answer slowly.
        .keep_alive_timeout(Duration::from_mins(2));
    if http.http2_websockets {
        builder.http2().enable_connect_protocol();
    }
    builder
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    server: Arc<Server>,
    surface: Surface,
    builder: Arc<auto::Builder<Streams>>,
    conn: Arc<Conn>,
    slot: &Arc<Slot>,
    mut validity: Option<Validity>,
) {
    slot.speaks(&conn);
    let mut spoken = speak(&server, surface, &builder, &conn, slot, &mut validity).await;
    // One that has given its place away speaks nothing else.
    if let (Spoken::Over(_), Some(upgraded)) = (spoken, conn.upgraded()) {
        let asked = async {
            tokio::select! {
                _ = over(&mut validity) => End::Old,
                () = slot.displaced() => End::Displaced,
            }
        };
        match upgraded.run(&server, &conn, asked).await {
            End::Stalled => spoken = Spoken::Deaf,
            End::Displaced => spoken = Spoken::Displaced,
            _ => {}
        }
    }
    let linger = match spoken {
        // Somebody waits for its place, and it has been told all there is.
        Spoken::Displaced => FIRST_WORD,
        Spoken::Dropped => return,
        Spoken::Deaf => {
            conn.socket().abandon();
            return;
        }
        Spoken::Over(late) => {
            if let Some(status) = late.or_else(|| conn.refused()) {
                refuse(&server, surface, &conn, status).await;
            }
            LINGER
        }
    };
    let _ = tokio::time::timeout(linger, conn.socket().close()).await;
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    /// With this status to say last, if any.
    Over(Option<u16>),
    /// Its place is another's.
    Displaced,
    /// The same, before it asked for anything.
    Dropped,
    /// The client takes no answer.
    Deaf,
}

/// Tells a newcomer that there is no place for it.
pub(crate) async fn turn_away(server: Arc<Server>, surface: Surface, conn: Conn) {
    refuse(&server, surface, &conn, 503).await;
    let _ = tokio::time::timeout(LINGER, conn.socket().close()).await;
}

/// Lets hyper speak until the connection or its time is over.
async fn speak(
    server: &Arc<Server>,
    surface: Surface,
    builder: &auto::Builder<Streams>,
    conn: &Arc<Conn>,
    slot: &Slot,
    validity: &mut Option<Validity>,
) -> Spoken {
    let answer = service_fn(|incoming| request::answer(server, conn, surface, incoming));
    let mut http =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(Wire::new(Arc::clone(conn))), answer));
    let mut stages = server.stages();
    let (mut told, mut drains_since, mut displaced) = (false, None, false);
    // Where it drains before the service does, when it is cut.
    let mut cut: Option<Instant> = None;
    let limits = Limits::new(&server.settings.http);
    let mut timer = pin!(tokio::time::sleep(limits.look));
    conn.handed.counts_in(&server.answers, conn.peer.ip(), conn.slot());
    loop {
        if !told && (cut.is_some() || *stages.borrow_and_update() >= Stage::Draining) {
            let since = *drains_since.get_or_insert_with(Instant::now);
            match conn.waiting() {
                Some((Waiting::First, _)) if since.elapsed() >= FIRST_WORD => return Spoken::Over(None),
                // A head on its way is answered, and its answer ends the connection.
                Some((Waiting::First | Waiting::Head, _)) => {
                    timer.as_mut().reset(Instant::now() + LOOK_AGAIN);
                }
                _ => {
                    told = true;
                    conn.ends();
                    http.as_mut().graceful_shutdown();
                }
            }
        }
        let happened = {
            let happens = pin!(Rarely::new(async {
                tokio::select! {
                    biased;
                    () = slot.displaced(), if !displaced => Happened::Displaced,
                    // The sender lives as long as the server.
                    _ = stages.changed(), if drains_since.is_none() => Happened::Stage,
                    () = timer.as_mut() => Happened::Timer,
                    over = over(validity), if cut.is_none() => Happened::Over(over),
                    () = clock::reached(cut) => Happened::Cut,
                }
            }));
            tokio::select! {
                biased;
                result = http.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(peer = %conn.peer, %error, "connection ended");
                    }
                    charge_for_block(server, surface, conn);
                    return if displaced { Spoken::Displaced } else { Spoken::Over(None) };
                }
                happened = happens => happened,
            }
        };
        match happened {
            Happened::Displaced if slot.is_cut() => return Spoken::Deaf,
            Happened::Displaced => {
                // What it began to be asked, and begins to be now that it has been told, is answered if that takes no longer.
                let ends = Instant::now() + GIVES_WAY;
                (displaced, told, cut) = (true, true, Some(cut.map_or(ends, |cut| cut.min(ends))));
                if let Some((Waiting::First | Waiting::Head, _)) = conn.waiting() {
                    return Spoken::Dropped;
                }
                // What it began to answer meanwhile is answered.
                conn.ends();
                http.as_mut().graceful_shutdown();
                timer.as_mut().reset(Instant::now() + FIRST_WORD);
            }
            Happened::Stage => {}
            Happened::Over(over) => {
                if over.is_of_the_client() {
                    conn.distrust();
                }
                cut = Some(Instant::now() + server.settings.drain());
            }
            Happened::Cut if displaced => return Spoken::Displaced,
            Happened::Cut => return Spoken::Over(None),
            Happened::Timer => match limits.judge(conn, clock::now()) {
                _ if displaced && conn.idle().is_some() => return Spoken::Displaced,
                Judged::Waits(next) => {
                    conn.handed.count(clock::now());
                    timer.as_mut().reset(Instant::now() + next);
                }
                Judged::HeadLate if conn.is_http2() => {
                    charge_for_block(server, surface, conn);
                    return Spoken::Over(None);
                }
                Judged::HeadLate => return Spoken::Over(Some(408)),
                Judged::Deaf => return Spoken::Deaf,
                Judged::Over => return Spoken::Over(None),
            },
        }
    }
}

/// What may happen to a connection beside what is said on it.
enum Happened {
    /// Another one needs its place.
    Displaced,
    /// The service has come to another stage.
    Stage,
    /// It is time to look at it.
    Timer,
    /// It must end, and may end what it answers.
    Over(Over),
    /// It had time enough for that.
    Cut,
}

/// Completes once the connection is too old or its client is no longer vouched for.
async fn over(validity: &mut Option<Validity>) -> Over {
    match validity {
        Some(validity) => validity.over().await,
        None => std::future::pending().await,
    }
}

/// The times that a connection must keep.
#[derive(Clone, Copy, Debug)]
struct Limits {
    head: Nanos,
    idle: Nanos,
    write: Nanos,
    /// A connection is looked at this often, or when something is due.
    look: Duration,
}

/// What a look at a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// Look again after this.
    Waits(Duration),
    /// A request's head did not arrive in time.
    HeadLate,
    /// It was idle for too long.
    Over,
    /// Its client takes no answer.
    Deaf,
}

impl Limits {
    fn new(http: &Http) -> Self {
        let look =
            http.header_timeout.min(http.idle_timeout).min(http.write_timeout).max(Duration::from_millis(1));
        Self {
            head: nanos(http.header_timeout),
            idle: nanos(http.idle_timeout),
            write: nanos(http.write_timeout),
            look,
        }
    }

    fn judge(&self, conn: &Conn, now: Nanos) -> Judged {
        let write = conn.pause().unwrap_or(self.write);
        let untaken =
            conn.handed.unmoved_since().map(|since| since.saturating_add(write.saturating_mul(UNTAKEN)));
        if untaken.is_some_and(|due| now >= due) {
            return Judged::Deaf;
        }
        match conn.in_a_block().map(|since| since.saturating_add(self.head)) {
            Some(due) if now >= due => return Judged::HeadLate,
            _ => {}
        }
        Self { write, ..*self }.decide(conn.waiting(), conn.stalled(), now)
    }

    fn decide(&self, waiting: Option<(Waiting, Nanos)>, stalled: Option<Nanos>, now: Nanos) -> Judged {
        let stalls = stalled.map_or(NEVER, |since| since.saturating_add(self.write));
        let (due, judged) = match waiting {
            Some((Waiting::First, since)) => (since.saturating_add(self.head), Judged::Over),
            Some((Waiting::Head, since)) => (since.saturating_add(self.head), Judged::HeadLate),
            // The last answer is still on its way.
            Some((Waiting::Next, _)) if stalled.is_some() => (NEVER, Judged::Over),
            Some((Waiting::Next, since)) => (since.saturating_add(self.idle), Judged::Over),
            Some((Waiting::More, _)) | None => (NEVER, Judged::Over),
        };
        if now >= stalls {
            return Judged::Deaf;
        }
        if now >= due {
            return judged;
        }
        Judged::Waits(
            self.look.min(Duration::from_nanos(due.min(stalls) - now)).max(Duration::from_millis(1)),
        )
    }
}

/// Charges what never became a request to whoever sent it.
fn charge(server: &Server, surface: Surface, conn: &Conn, now: Nanos) {
    if surface == Surface::Public {
        // Behind a trusted proxy nobody knows whose it was.
        let peer = Client::of(&HeaderMap::new(), Said::default(), conn.peer, conn.key, &server.settings.http);
        let charge = |client| server.limits.charge(Bucket::All, client, now, &mut Standing::default());
        let _ = Some(peer).filter(|peer| !peer.vouched).and_then(charge);
    }
}

/// Charges a head over HTTP/2 that has begun and never ends. There is no answer to it, and it costs what one over HTTP/1 does.
fn charge_for_block(server: &Server, surface: Surface, conn: &Conn) {
    if conn.in_a_block().is_some() {
        charge(server, surface, conn, clock::now());
    }
}

/// Answers what never became a request: a head that came too slowly or could not be read.
async fn refuse(server: &Server, surface: Surface, conn: &Conn, status: u16) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let detail = match status {
        StatusCode::REQUEST_TIMEOUT => "The head of the request did not arrive in time.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            "The head of the request is too large."
        }
        StatusCode::SERVICE_UNAVAILABLE => "The service has as many connections as it can have.",
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => "HTTP/1.1 was agreed on, and HTTP/2 is spoken.",
        _ => "The request could not be read as HTTP.",
    };
    let id = request_id::make();
    let (kind, again) = match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            let again = whole_seconds(retry_after::by_seconds(Duration::from_secs(1)));
            ("urn:hardening:problem:overloaded", format!("retry-after: {again}\r\n"))
        }
        _ => ("about:blank", String::new()),
    };
    let body = Problem::new(status).kind(kind).detail(detail).body(Some(&id));
    let phrase = status.canonical_reason().unwrap_or("Error");
    let mut answer = format!(
        "HTTP/1.1 {} {phrase}\r\ncontent-type: {PROBLEM_JSON}\r\nx-request-id: {id}\r\n{again}\
         cache-control: no-store\r\ndate: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        status.as_u16(),
        http_date::of(since_1970().as_secs()),
        body.len()
    )
    .into_bytes();
    let mut headers = HeaderMap::new();
    server.headers.secure(&mut headers);
    for (name, value) in &headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    if surface == Surface::Public {
        server.stats.unmatched().record(&http::Method::TRACE, status, 0);
    }
    let now = clock::now();
    if status != StatusCode::SERVICE_UNAVAILABLE {
        charge(server, surface, conn, now);
    }
    if let Some(unsaid) = server.settings.log.access.then(|| server.unreadable.line(now)).flatten() {
        let unsaid = (unsaid > 0).then_some(unsaid);
        tracing::info!(
            target: "hardening::access",
            route = crate::telemetry::http::UNMATCHED, status = status.as_u16(), request_id = id,
            client = %Shown(conn.peer.ip()), unsaid, "unreadable request"
        );
    }
    let _ = tokio::time::timeout(LINGER, conn.socket().say(&answer)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    #[test]
    fn limits_of_any_size_are_limits() {
        let mut http = crate::settings::Settings::default().http;
        (http.header_limit, http.uri_limit) = (u64::MAX, u64::MAX);
        let _ = builder(&http);
        (http.header_limit, http.uri_limit) = (1, 1);
        let _ = builder(&http);
    }

    #[test]
    fn each_wait_has_its_own_limit() {
        let limits = Limits::new(&crate::settings::Settings::default().http);
        let waits = |seconds| Judged::Waits(Duration::from_secs(seconds));
        for (waiting, stalled, now, judged) in [
            (Some((Waiting::First, S)), None, 2 * S, waits(9)),
            (Some((Waiting::First, S)), None, 11 * S, Judged::Over),
            (Some((Waiting::Head, S)), None, 11 * S - 1, Judged::Waits(Duration::from_millis(1))),
            (Some((Waiting::Head, S)), None, 11 * S, Judged::HeadLate),
            (Some((Waiting::Next, S)), None, 11 * S, waits(10)),
            (Some((Waiting::Next, S)), None, 76 * S, Judged::Over),
            (Some((Waiting::Next, S)), Some(70 * S), 76 * S, waits(10)),
            (Some((Waiting::Next, S)), Some(70 * S), 100 * S, Judged::Deaf),
            (None, None, 1000 * S, waits(10)),
            (None, Some(S), 30 * S, waits(1)),
            (None, Some(S), 31 * S, Judged::Deaf),
        ] {
            assert_eq!(limits.decide(waiting, stalled, now), judged, "{waiting:?} {stalled:?} {now}");
        }
    }
}
