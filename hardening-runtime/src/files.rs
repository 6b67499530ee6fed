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
}
