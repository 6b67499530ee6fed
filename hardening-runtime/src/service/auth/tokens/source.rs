//! Where an issuer's keys come from.

use std::net::IpAddr;
use std::time::Duration;

use crate::connect::http::Client;
use crate::files;
use crate::settings;

/// The longest key set, in bytes.
const LARGEST: usize = 1 << 20;
/// The longest that a fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file is read again.
const OF_FILES: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Source {
    File(String),
    Url(String, Box<Client>),
}

impl Source {
    pub(super) fn new(auth: &settings::Auth) -> Result<Self, String> {
        let of_url = auth.jwks.starts_with("http://") || auth.jwks.starts_with("https://");
        if !of_url {
            return match auth.jwks.split_once("://") {
                Some((scheme, _)) => Err(format!(
                    "[auth] jwks: `{scheme}://` is neither a file nor a URL that begins with `https://` or `http://`"
                )),
                None => Ok(Self::File(auth.jwks.clone())),
            };
        }
        let uri: http::Uri =
            auth.jwks.parse().map_err(|_| format!("[auth] jwks = {:?}: this is no URL", auth.jwks))?;
        if uri.scheme_str() == Some("http") && !uri.host().is_some_and(is_loopback) {
            return Err(format!(
                "[auth] jwks = {:?}: whoever sits between could put keys of their own into what is fetched without TLS; write \
                 an `https://` URL, and the file of its root in `[auth] jwks_ca` where no root of the system's vouches for it \
                 (plain `http://` is for a loopback address alone)",
                without_userinfo(&auth.jwks)
            ));
        }
        let mut client = Client::builder().timeout(PATIENCE).body_limit(LARGEST);
        if !auth.jwks_ca.is_empty() {
            client = client.ca_file(&auth.jwks_ca);
        }
        let client =
            client.build().map_err(|error| format!("[auth] jwks_ca = {:?}: {error}", auth.jwks_ca))?;
        Ok(Self::Url(auth.jwks.clone(), Box::new(client)))
    }

    /// How often it is asked.
    pub(super) fn refresh(&self, wanted: Duration) -> Duration {
        match self {
            Self::File(_) => wanted.min(OF_FILES),
            Self::Url(..) => wanted,
        }
    }

    /// What is there without waiting: a file.
    pub(super) fn at_once(&self) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::File(path) => read(path).map(Some).map_err(|why| format!("[auth] jwks = {path:?}: {why}")),
            Self::Url(..) => Ok(None),
        }
    }

    /// The text of the key set, or why there is none.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let done = tokio::task::spawn_blocking(move || read(&path)).await;
                done.map_err(|_| "the reader was stopped".to_owned())?
            }
            Self::Url(url, client) => {
                let answer = client.get(url).header("accept", "application/json").send().await;
                let answer = answer.and_then(crate::connect::http::Response::error_for_status);
                answer.map(|answer| answer.bytes().to_vec()).map_err(|error| error.with_causes())
            }
        }
    }
}

/// Whether a URL's host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let of_address = |ip: IpAddr| ip.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(of_address)
}

/// A URL without a password before its host.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(ends);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let text = files::read(path, LARGEST as u64).map_err(|error| error.to_string())?;
    if text.len() > LARGEST { Err("it is larger than 1MiB".to_owned()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(jwks: &str) -> Result<Source, String> {
        Source::new(&settings::Auth { jwks: jwks.to_owned(), ..settings::Auth::default() })
    }

    #[test]
    fn keys_are_fetched_without_tls_from_this_machine_alone() {
        for near in [
            "http://localhost/keys",
            "http://LOCALHOST:80/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.9.9.9/keys",
            "http://[::1]:80/keys",
            "http://[::ffff:127.0.0.1]/keys",
            "https://id.example/keys",
            "https://10.0.0.1/keys",
        ] {
            assert!(source(near).is_ok(), "{near}");
        }
        for far in [
            "http://id.example/keys",
            "http://10.0.0.1/keys",
            "http://0.0.0.0/keys",
            "http://[::]/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1.example/keys",
            "http://localhost@id.example/keys",
            "http://127.0.0.1:80@id.example/keys",
            "HTTP://id.example/keys",
        ] {
            let why = source(far).unwrap_err();
            assert!(why.starts_with("[auth] jwks") && why.contains("`https://`"), "{far}: {why}");
        }
        let why = source("http://ann:hunter2@id.example/keys").unwrap_err();
        assert!(!why.contains("hunter2") && why.contains("http://id.example/keys"), "{why}");
    }
}
