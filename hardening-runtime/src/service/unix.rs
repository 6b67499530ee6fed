//! A listener at a Unix socket: its file is made with its mode, replaces one that nobody answers at, and is taken away.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixStream as Blocking};
use std::path::{Path, PathBuf};

use socket2::SockRef;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// How many connections wait to be accepted, where the system allows it.
const BACKLOG: u32 = 1024;

/// A bound socket with its file.
#[derive(Debug)]
pub(crate) struct FileListener {
    listener: UnixListener,
    path: PathBuf,
    /// `None` where it is another's.
    file: Option<SocketFile>,
}

impl FileListener {
    /// Binds `path` with the permissions `mode`.
    ///
    /// # Errors
    /// Why it cannot: somebody answers there already, something else than a socket is there, or the system refuses.
    pub(crate) fn bind(path: &Path, mode: u32) -> Result<Self, String> {
        make_room(path)?;
        let bound = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(path)?;
            let file = SocketFile::of(path)?;
            // Nobody can connect before it listens, so its mode holds from the first connection on.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            Ok(Self { listener: socket.listen(BACKLOG)?, path: path.to_owned(), file: Some(file) })
        };
        bound().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
            io::ErrorKind::PermissionDenied => "this process may not write to its folder".to_owned(),
            _ => error.to_string(),
        })
    }

    /// The same socket for another who accepts, who leaves the file alone.
    ///
    /// # Errors
    /// When the system has no descriptor for it.
    pub(crate) fn shared(&self) -> io::Result<Self> {
        let socket = SockRef::from(&self.listener).try_clone()?;
        Ok(Self { listener: UnixListener::from_std(socket.into())?, path: self.path.clone(), file: None })
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Takes the file away, so that nobody can come any more, and then answers everybody who has come.
    pub(crate) fn close(self) -> Vec<UnixStream> {
        let Self { listener, file, .. } = self;
        drop(file);
        let Ok(listener) = listener.into_std() else { return Vec::new() };
        let waiting = std::iter::from_fn(|| listener.accept().ok());
        waiting
            .filter_map(|(stream, _)| {
                stream.set_nonblocking(true).ok()?;
                UnixStream::from_std(stream).ok()
            })
            .collect()
    }
}

/// Whether `path` can name a socket at all.
///
/// # Errors
/// Why not.
pub(crate) fn fits(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("write the whole path of the socket, such as `unix:/run/orders.sock`".to_owned());
    }
    SocketAddr::from_pathname(path).map(drop).map_err(|_| {
        format!("the path of a socket is shorter than 108 bytes, and this one has {}", path.as_os_str().len())
    })
}

/// Removes the file of a socket at which nobody answers.
fn make_room(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(found) if !found.file_type().is_socket() => {
            return Err("a file that is no socket is there already".to_owned());
        }
        Ok(_) => {}
    }
    match Blocking::connect(path) {
        Ok(_) => Err("another process answers there".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing a socket at which nobody answers");
            fs::remove_file(path).map_err(|error| format!("its old file cannot be removed: {error}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("whether another process answers there cannot be found out: {error}")),
    }
}

/// The file of a bound socket; removed when dropped, unless another one stands in its place by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |found: &fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(|found| ours(&found)) {
            // A file that stays is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}
