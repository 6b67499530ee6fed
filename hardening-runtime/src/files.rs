//! Files that are looked at again and again.

use std::path::Path;
use std::time::SystemTime;

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
