//! A connection's bytes, plain or under TLS, shared by whoever reads, whoever writes, and whoever ends it.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

/// One accepted connection. Its reader and its writer are one task's, so nobody waits for the lock.
#[derive(Debug)]
pub(crate) struct Socket(Mutex<Box<dyn Stream>>);

/// What [`Socket::gives_up_after`] does, for any socket.
pub(super) fn gives_up_after(socket: &SockRef<'_>, untaken: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A socket that cannot is watched by the service alone, as on systems without this option. Zero is no time but the
        // system's own, and longer than the option holds is as long as it holds.
        let untaken = untaken.clamp(Duration::from_millis(1), Duration::from_millis(i32::MAX as u64));
        let _ = socket.set_tcp_user_timeout(Some(untaken));
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, untaken);
}

/// The system holds no more than so many bytes that it cannot send yet, and asks for more once half of them are sent. Otherwise
/// it holds megabytes and asks again when a third is gone: a client that takes an answer slowly would look like one that takes
/// nothing, and each that takes nothing would cost as much memory.
const UNSENT: u32 = 128 * 1024;

/// Bounds what the system holds for the other end of `socket`.
pub(super) fn holds_little(socket: &SockRef<'_>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, UNSENT);
}

/// Pieces of fewer bytes altogether are put together.
const SMALL: usize = 2048;

/// What speaks on the wire.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {
    /// The system's socket.
    fn raw(&self) -> SockRef<'_>;

    /// What is on the wire, under TLS unopened.
    fn bare(&mut self) -> &mut (dyn AsyncRead + Unpin);

    /// The version of HTTP that was agreed on in a handshake, if any was.
    fn agreed(&self) -> Option<Version> {
        None
    }

    /// Whether the other end can be sent a reset.
    fn can_reset(&self) -> bool {
        true
    }
}

impl Stream for TcpStream {
    fn raw(&self) -> SockRef<'_> {
        SockRef::from(self)
    }

    fn bare(&mut self) -> &mut (dyn AsyncRead + Unpin) {
        self
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn raw(&self) -> SockRef<'_> {
        SockRef::from(self)
    }

    fn bare(&mut self) -> &mut (dyn AsyncRead + Unpin) {
        self
    }

    fn can_reset(&self) -> bool {
        false
    }
}

#[cfg(feature = "tls")]
impl Stream for TlsStream<TcpStream> {
    fn raw(&self) -> SockRef<'_> {
        SockRef::from(self.get_ref().0)
    }

    fn bare(&mut self) -> &mut (dyn AsyncRead + Unpin) {
        self.get_mut().0
    }

    fn agreed(&self) -> Option<Version> {
        let agreed = self.get_ref().1.alpn_protocol()?;
        Some(if agreed == b"h2" { Version::HTTP_2 } else { Version::HTTP_11 })
    }
}

impl Socket {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Self(Mutex::new(Box::new(stream)))
    }

    /// The version of HTTP that was agreed on in a handshake, if any was.
    pub(crate) fn agreed(&self) -> Option<Version> {
        self.stream().agreed()
    }

    fn stream(&self) -> MutexGuard<'_, Box<dyn Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.stream()).poll_read(cx, buf)
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.stream()).poll_write(cx, buf)
    }

    /// Writes pieces that belong together, a head and its body. The system takes one piece with less work than many, so that
    /// small ones are put together first.
    pub(crate) fn poll_write_pieces(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut whole = [0; SMALL];
        let mut used = 0;
        for buf in bufs {
            let Some(room) = whole.get_mut(used..used + buf.len()) else {
                return Pin::new(&mut **self.stream()).poll_write_vectored(cx, bufs);
            };
            room.copy_from_slice(buf);
            used += buf.len();
        }
        self.poll_write(cx, &whole[..used])
    }

    /// What was written is on its way.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.stream()).poll_flush(cx)
    }

    /// Writes all of it.
    pub(crate) async fn say(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Says that nothing more comes, and reads on: closing a socket with unread bytes would reset it, and the client could
    /// lose the answer that ends the connection. Ends when the client has closed its side too.
    pub(crate) async fn close(&self) {
        // Under TLS the word that the end is meant, and no cut.
        let _ = poll_fn(|cx| Pin::new(&mut **self.stream()).poll_shutdown(cx)).await;
        if self.stream().raw().shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut scratch = [0; 4096];
        loop {
            let read = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut scratch);
                Pin::new(self.stream().bare()).poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
            });
            if read.await.is_ok_and(|read| read > 0) {
                continue;
            }
            return;
        }
    }

    /// Has the system reset the connection once the other end has taken nothing of what was written for so long. An answer that
    /// fits the system's buffers is out of the service's sight: all of it was written, whether the client takes it or not.
    pub(crate) fn gives_up_after(&self, untaken: Duration) {
        gives_up_after(&self.stream().raw(), untaken);
    }

    /// Gives up what was written and not taken: the system would keep it for as long as the client says that it is still
    /// there. The client sees a reset once the socket is dropped.
    pub(crate) fn abandon(&self) {
        let stream = self.stream();
        if stream.can_reset() {
            // A socket that cannot is closed as any other.
            let _ = stream.raw().set_linger(Some(Duration::ZERO));
        }
    }
}
