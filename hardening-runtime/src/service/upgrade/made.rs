//! An upgrade of our own making for a handler, so that what it says passes by us.
//!
//! Extractors such as axum's `WebSocketUpgrade` take hyper's own type, which hyper alone can make. So hyper upgrades a
//! connection in memory, of which the handler gets the one end and we the other.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, StatusCode, header};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// So many bytes may be on their way in each direction.
const PIPE: usize = 64 * 1024;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: memory\r\nconnection: upgrade\r\nupgrade: memory\r\n\r\n";

/// Our end, and the handler's.
pub(super) fn made() -> Option<(DuplexStream, OnUpgrade)> {
    let making = pin!(tokio::task::unconstrained(making()));
    // Both ends are here and their bytes in memory, so nothing waits.
    match making.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(made) => made,
        Poll::Pending => None,
    }
}

async fn making() -> Option<(DuplexStream, OnUpgrade)> {
    let (mut ours, theirs) = tokio::io::duplex(PIPE);
    ours.write_all(ASK).await.ok()?;
    let given = Arc::new(Mutex::new(None));
    let takes = Arc::clone(&given);
    let answer = service_fn(move |mut request: http::Request<Incoming>| {
        *takes.lock().unwrap_or_else(PoisonError::into_inner) = Some(hyper::upgrade::on(&mut request));
        std::future::ready(Ok::<_, Infallible>(switching()))
    });
    http1::Builder::new().serve_connection(TokioIo::new(theirs), answer).with_upgrades().await.ok()?;
    // The head of the answer, and nothing else yet.
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(ours.read_u8().await.ok()?);
    }
    let upgrade = given.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some((ours, upgrade))
}

fn switching() -> http::Response<Empty<Bytes>> {
    let mut response = http::Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("memory"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_end_writes_the_other_reads() {
        let (mut ours, upgrade) = made().expect("in memory");
        let mut theirs = TokioIo::new(upgrade.await.expect("upgraded"));
        theirs.write_all(b"there").await.expect("written");
        ours.write_all(b"back").await.expect("written");
        let mut read = [0; 5];
        ours.read_exact(&mut read).await.expect("read");
        assert_eq!(&read, b"there");
        theirs.read_exact(&mut read[..4]).await.expect("read");
        assert_eq!(&read[..4], b"back");
        drop(theirs);
        assert_eq!(ours.read(&mut read).await.expect("the end"), 0);
    }
}
