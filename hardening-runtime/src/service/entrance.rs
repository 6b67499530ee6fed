//! What comes before a connection's first request: a proxy's word, and the handshake of TLS.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper_util::server::conn::auto;
use tokio::sync::{mpsc, oneshot};
use tokio::task::Id;

use super::address::Peer;
use super::listener::{Stream, reached};
use super::server::{Server, Surface};
use super::shutdown::Stage;
use super::slot::Slot;
use super::socket::Socket;
use super::streams::Streams;
use super::wire::Conn;
use super::{client, connection, proxy};
use crate::settings::ProxyProtocol;

/// A connection, the peer for which a proxy has made it, and who waits to hear whether it keeps its place.
pub(super) type Introduction = (Id, Peer, oneshot::Sender<bool>);

/// Whether a proxy must say for whom it connects.
pub(super) fn is_introduced(server: &Server, surface: Surface) -> bool {
    surface == Surface::Public && server.settings.http.proxy_protocol == ProxyProtocol::Required
}

/// Whether a peer may say for whom it connects.
pub(super) fn may_introduce(server: &Server, peer: Peer) -> bool {
    let may = client::is_trusted(peer, &server.settings.http);
    if !may {
        tracing::debug!(%peer, "a connection from outside `http.trusted_proxies` was ended");
    }
    may
}

/// Serves a connection from its acceptance to its end.
pub(super) fn one(
    server: &Arc<Server>,
    surface: Surface,
    builder: &Arc<auto::Builder<Streams>>,
    stream: Stream,
    peer: Peer,
    slot: Arc<Slot>,
    introduces: mpsc::UnboundedSender<Introduction>,
) -> impl Future<Output = ()> + Send + 'static {
    let (server, builder) = (Arc::clone(server), Arc::clone(builder));
    async move {
        let (stream, peer) = if is_introduced(&server, surface) {
            let Some(introduced) = first(&server, &slot, introduced(&server, stream, peer)).await else {
                server.connections.of(surface).not_proxied.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let (answer, keeps) = oneshot::channel();
            let _ = introduces.send((tokio::task::id(), introduced.1, answer));
            if first(&server, &slot, async { keeps.await.ok().filter(|keeps| *keeps) }).await.is_none() {
                return;
            }
            introduced
        } else {
            (stream, peer)
        };
        let tls = server.tls.as_ref().filter(|_| surface == Surface::Public);
        let (socket, principal, validity) = match (stream, tls) {
            // The start refuses TLS at a Unix socket.
            #[cfg(unix)]
            (Stream::Unix(stream), _) => (Socket::new(stream), None, None),
            (Stream::Tcp(stream), None) => (Socket::new(stream), None, None),
            (Stream::Tcp(stream), Some(tls)) => {
                let patience = tls.handshake_timeout();
                match first(&server, &slot, tls.shake(stream, patience)).await {
                    Some((socket, principal, validity)) => (socket, principal, Some(validity)),
                    None => return,
                }
            }
        };
        let conn = Arc::new(Conn::new(socket, peer, principal));
        connection::serve(server, surface, builder, conn, &slot, validity).await;
    }
}

/// Waits for what comes before a connection's first request; once the service drains, a client has a moment left for it.
async fn first<T>(server: &Server, slot: &Slot, coming: impl Future<Output = Option<T>>) -> Option<T> {
    let mut stages = server.stages();
    let drained = async {
        reached(&mut stages, Stage::Draining).await;
        tokio::time::sleep(connection::FIRST_WORD).await;
    };
    tokio::select! {
        biased;
        come = coming => come,
        () = drained => None,
        () = slot.displaced() => None,
    }
}

/// Has a trusted proxy say for whom it connects; `None` for any other peer, and for what is no header, or none in time.
async fn introduced(server: &Server, mut stream: Stream, peer: Peer) -> Option<(Stream, Peer)> {
    if !may_introduce(server, peer) {
        return None;
    }
    let read = async {
        match &mut stream {
            Stream::Tcp(stream) => proxy::read(stream).await,
            #[cfg(unix)]
            Stream::Unix(stream) => proxy::read(stream).await,
        }
    };
    match tokio::time::timeout(server.settings.http.header_timeout, read).await.ok()? {
        Ok(client) => Some((stream, client.map_or_else(|| peer.names_nobody(), Peer::Address))),
        Err(error) => {
            tracing::debug!(%peer, %error, "a connection without a header of the PROXY protocol was ended");
            None
        }
    }
}
