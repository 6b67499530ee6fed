//! A connection's bytes, plain or under TLS, shared by whoever reads and whoever writes.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
#[cfg(feature = "tls")]
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::ReadBuf;
#[cfg(feature = "tls")]
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

/// One accepted connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// Its reader and its writer are one task's, so nobody waits for the lock.
    #[cfg(feature = "tls")]
    Tls(Mutex<Box<TlsStream<TcpStream>>>),
}

impl Socket {
    #[cfg(feature = "tls")]
    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::Tls(Mutex::new(Box::new(stream)))
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => poll_read_plain(stream, cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => poll_read_plain(stream, cx, buf),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **lock(stream)).poll_read(cx, buf),
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => poll_write_plain(stream, cx, || stream.try_write(buf)),
            #[cfg(unix)]
            Self::Unix(stream) => poll_write_plain(stream, cx, || stream.try_write(buf)),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **lock(stream)).poll_write(cx, buf),
        }
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => poll_write_plain(stream, cx, || stream.try_write_vectored(bufs)),
            #[cfg(unix)]
            Self::Unix(stream) => poll_write_plain(stream, cx, || stream.try_write_vectored(bufs)),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **lock(stream)).poll_write_vectored(cx, bufs),
        }
    }

    /// What was written is on its way.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => {
                let _ = cx;
                Poll::Ready(Ok(()))
            }
            #[cfg(unix)]
            Self::Unix(_) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **lock(stream)).poll_flush(cx),
        }
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
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            // The word that the end is meant, and no cut.
            let _ = poll_fn(|cx| Pin::new(&mut **lock(stream)).poll_shutdown(cx)).await;
        }
        if self.end().is_err() {
            return;
        }
        let mut scratch = [0; 4096];
        loop {
            let read = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut scratch);
                self.poll_read_bare(cx, &mut buf).map_ok(|()| buf.filled().len())
            });
            if read.await.is_ok_and(|read| read > 0) {
                continue;
            }
            return;
        }
    }

    /// Says that nothing more comes.
    fn end(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => SockRef::from(lock(stream).get_ref().0).shutdown(Shutdown::Write),
        }
    }

    /// Gives up what was written and not taken: the system would keep it for as long as the client says that it is still
    /// there. The client sees a reset once the socket is dropped.
    pub(crate) fn abandon(&self) {
        let now = Some(std::time::Duration::ZERO);
        // A socket that cannot is closed as any other.
        let _ = match self {
            Self::Plain(stream) => SockRef::from(stream).set_linger(now),
            #[cfg(unix)]
            Self::Unix(_) => Ok(()),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => SockRef::from(lock(stream).get_ref().0).set_linger(now),
        };
    }

    /// Reads what is on the wire, under TLS without opening it.
    fn poll_read_bare(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => poll_read_plain(stream, cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => poll_read_plain(stream, cx, buf),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => poll_read_plain(lock(stream).get_ref().0, cx, buf),
        }
    }
}

/// What the sockets of both kinds can do without being owned.
trait Shared {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_read_buf(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize>;
}

macro_rules! shared {
    ($stream:ty) => {
        impl Shared for $stream {
            fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$stream>::poll_read_ready(self, cx)
            }

            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$stream>::poll_write_ready(self, cx)
            }

            fn try_read_buf(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
                <$stream>::try_read_buf(self, buf)
            }
        }
    };
}

shared!(TcpStream);
#[cfg(unix)]
shared!(UnixStream);

#[cfg(feature = "tls")]
fn lock(stream: &Mutex<Box<TlsStream<TcpStream>>>) -> MutexGuard<'_, Box<TlsStream<TcpStream>>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

fn poll_read_plain(
    stream: &impl Shared,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read_buf(buf) {
            Ok(_) => return Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn poll_write_plain(
    stream: &impl Shared,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}
