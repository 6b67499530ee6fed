//! What works and lets in more people than is usually meant: files that others may read or write, and proxies that everybody is.

use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::value::{Entry, Value, secret_file};
use super::{Loaded, Settings};

/// The widest networks that are private as a whole are 10.0.0.0/8 and `fc00::/7`.
const WIDEST_IPV4: u8 = 8;
const WIDEST_IPV6: u8 = 7;

/// A sentence for each of them, with the setting and what to write.
pub(super) fn of(loaded: &Loaded) -> Vec<String> {
    let settings = &loaded.settings;
    let mut cautions = Vec::new();
    let (secret, other) = (secret_files(settings, &loaded.entries), other_files(settings));
    // No colon stands after a setting's name: the filter of the log takes what follows the name of a secret for its value.
    for (setting, path) in &secret {
        let Some(access) = access(path) else { continue };
        let who = match access {
            Access { others_read: true, .. } => "everybody on this machine",
            // Where the file is another user's, its group may be how this process reads it.
            Access { group_reads: true, ours: true, .. } => "the group of its owner",
            _ => continue,
        };
        cautions.push(format!(
            "{setting}, from the file `{0}`, may be read by {who}; run `chmod 600 {0}`, or in Kubernetes write `defaultMode: 0400` \
             at its volume",
            path.display()
        ));
    }
    for (setting, path) in secret.iter().chain(&other) {
        if access(path).is_some_and(|access| access.others_write) {
            cautions.push(format!(
                "{setting}, from the file `{0}`, may be written by everybody on this machine; run `chmod o-w {0}`",
                path.display()
            ));
        }
    }
    let wide = |net: &&IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < WIDEST_IPV4,
        IpNet::V6(net) => net.prefix_len() < WIDEST_IPV6,
    };
    for net in settings.http.trusted_proxies.iter().filter(wide) {
        cautions.push(format!(
            "[http] trusted_proxies: `{net}` trusts strangers to say who their client is, so that nobody's limit holds: write the \
             addresses of the proxies, such as `10.0.0.0/8`"
        ));
    }
    cautions
}

/// The files that nobody else may read.
fn secret_files(settings: &Settings, entries: &[Entry]) -> Vec<(String, PathBuf)> {
    let mut files = named(&[("[tls] key", &settings.tls.key)]);
    for entry in entries {
        let followed = match &entry.value {
            Value::Text(text) if entry.path.first().is_some_and(|section| section == "secrets") => {
                secret_file(text)
            }
            _ => None,
        };
        for path in entry.files.iter().cloned().chain(followed) {
            files.push((format!("`{}` ({})", entry.path.join("."), entry.origin), path));
        }
    }
    files
}

/// The files that decide who is believed, which anybody may read.
fn other_files(settings: &Settings) -> Vec<(String, PathBuf)> {
    let jwks = if settings.auth.jwks.contains("://") { "" } else { &settings.auth.jwks };
    named(&[
        ("[tls] certificate", &settings.tls.certificate),
        ("[tls] client_ca", &settings.tls.client_ca),
        ("[auth] api_keys", &settings.auth.api_keys),
        ("[auth] jwks", jwks),
        ("[auth] jwks_ca", &settings.auth.jwks_ca),
    ])
}

fn named(files: &[(&str, &str)]) -> Vec<(String, PathBuf)> {
    let set = files.iter().filter(|(_, path)| !path.is_empty());
    set.map(|(setting, path)| ((*setting).to_owned(), PathBuf::from(path))).collect()
}

/// What others may do with a file.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "bits of its mode")]
struct Access {
    others_read: bool,
    others_write: bool,
    group_reads: bool,
    /// Whether this process's user owns it.
    ours: bool,
}

#[cfg(unix)]
fn access(path: &Path) -> Option<Access> {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata(path).ok()?;
    let may = |bit: u32| about.mode() & bit != 0;
    let ours = about.uid() == rustix::process::geteuid().as_raw();
    Some(Access { others_read: may(0o004), others_write: may(0o002), group_reads: may(0o040), ours })
}

#[cfg(not(unix))]
fn access(_: &Path) -> Option<Access> {
    None
}
