//! Files that the service reads: regular files alone, of a bounded size, some of them again and again.

use std::fs::{File, FileType, Metadata};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;
use std::time::SystemTime;

/// The largest file of keys or certificates that is read, in bytes.
#[cfg(any(feature = "auth", feature = "tls"))]
pub(crate) const LARGEST: u64 = 16 << 20;

/// The contents of a regular file, and at most one byte more than `most`, so that the caller sees that there are more. A FIFO
/// or a device could keep whoever opens or reads it waiting for ever, or never end: neither is read, nor waited for.
///
/// # Errors
/// When it is no regular file, or cannot be read.
pub(crate) fn read(path: impl AsRef<Path>, most: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    // Before it is opened, because to open some devices changes their state.
    check(path)?;
    let file = open(path)?;
    // What was opened may have been put there since.
    regular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a path leads to a regular file.
///
/// # Errors
/// When it does not.
pub(crate) fn check(path: impl AsRef<Path>) -> Result<()> {
    regular(&std::fs::metadata(path)?)
}

/// As [`read`], for a file of keys or certificates.
///
/// # Errors
/// When it is no regular file, is larger than [`LARGEST`], or cannot be read.
#[cfg(feature = "tls")]
pub(crate) fn read_all(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    whole(path.as_ref(), LARGEST)
}

/// As [`read`], for text of at most so many bytes.
///
/// # Errors
/// When it is no regular file, is larger than that, is no UTF-8, or cannot be read.
pub(crate) fn read_text(path: impl AsRef<Path>, most: u64) -> Result<String> {
    let text = String::from_utf8(whole(path.as_ref(), most)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "it is no UTF-8 text"))
}

fn whole(path: &Path, most: u64) -> Result<Vec<u8>> {
    let bytes = read(path, most)?;
    if bytes.len() as u64 > most {
        let why = format!("it is larger than {} MiB, which no such file is", most >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Opens without waiting for whoever is at the other end of a FIFO.
#[cfg(unix)]
fn open(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> Result<File> {
    File::open(path)
}

fn regular(about: &Metadata) -> Result<()> {
    if about.is_file() {
        return Ok(());
    }
    let kind = kind(about.file_type());
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {kind}; name a regular file")))
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a directory";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO, also called a named pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    "no regular file"
}

/// What tells one version of a file from another, through every link on the way to it: when it was changed, how long it is,
/// and which file it is, since another may have been put in its place that has the same of both. `None` for no file.
pub(crate) type Version = Option<(Option<SystemTime>, u64, u64)>;

/// The file as it is now.
pub(crate) fn version(path: impl AsRef<Path>) -> Version {
    let about = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let id = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let id = 0;
    Some((about.modified().ok(), about.len(), id))
}

/// Reads what was `looked` at; `None` when it was changed since. Files that belong together are exchanged one after the other,
/// so what is read meanwhile may be half of the old and half of the new. The change itself makes the next looks read it again.
pub(crate) fn read_unchanged<V: PartialEq, R>(
    looked: &V,
    version: impl FnOnce() -> V,
    read: impl FnOnce() -> R,
) -> Option<R> {
    let reading = read();
    (version() == *looked).then_some(reading)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let folder = std::env::temp_dir().join(format!("hardening-kinds-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let paths = ["file", "fifo", "socket", "link"].map(|name| folder.join(name));
        let [file, fifo, socket, link] = &paths;
        std::fs::write(file, "12345").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        std::os::unix::fs::symlink(fifo, link).unwrap();
        assert_eq!(read(file, 5).unwrap(), b"12345");
        assert_eq!(read(file, 3).unwrap(), b"1234", "one more tells that there are more");
        for (path, part) in [
            (fifo.as_path(), "a FIFO"),
            (link, "a FIFO"),
            (socket, "a socket"),
            (&folder, "a directory"),
            (Path::new("/dev/zero"), "a device"),
            (Path::new("/dev/null"), "a device"),
        ] {
            let error = read(path, 5).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("name a regular file"), "{error}");
        }
        // What is opened is looked at again: a FIFO that was put there in between is neither waited for nor read.
        assert!(regular(&open(fifo).unwrap().metadata().unwrap()).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn another_file_of_the_same_length_and_time_is_another_version() {
        let folder = std::env::temp_dir().join(format!("hardening-versions-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, two) = (folder.join("one"), folder.join("two"));
        std::fs::write(&one, "a").unwrap();
        std::fs::write(&two, "b").unwrap();
        let time = std::fs::metadata(&one).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&two).unwrap().set_modified(time).unwrap();
        let before = version(&one);
        assert!(before.is_some() && before == version(&one));
        std::fs::rename(&two, &one).unwrap();
        assert_ne!(version(&one), before);
        assert_eq!(version(&two), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_changes_between_the_look_and_the_end_of_reading_is_not_taken() {
        let folder = std::env::temp_dir().join(format!("hardening-unchanged-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let paths = ["certificate", "key"].map(|name| folder.join(name));
        let install = |at: usize, text: &str| {
            let new = folder.join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, &paths[at]).unwrap();
        };
        let versions = || [version(&paths[0]), version(&paths[1])];
        let text = |at: usize| std::fs::read_to_string(&paths[at]).unwrap();
        install(0, "old");
        install(1, "old");

        let looked = versions();
        assert_eq!(
            read_unchanged(&looked, versions, || (text(0), text(1))),
            Some(("old".into(), "old".into()))
        );
        // Between the two files, and between the look and the first of them.
        let torn = read_unchanged(&looked, versions, || {
            let first = text(0);
            install(0, "new");
            install(1, "new");
            (first, text(1))
        });
        assert_eq!(torn, None);
        let looked = versions();
        install(0, "newer");
        assert_eq!(read_unchanged(&looked, versions, || (text(0), text(1))), None);
        install(1, "newer");
        assert_eq!(
            read_unchanged(&versions(), versions, || (text(0), text(1))),
            Some(("newer".into(), "newer".into()))
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
