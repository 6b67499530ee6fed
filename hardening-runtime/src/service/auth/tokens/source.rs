//! Where an issuer's keys come from.

use std::time::Duration;

use crate::connect::http::Client;
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
        let host = uri.host().unwrap_or_default();
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if uri.scheme_str() == Some("http") && !here {
            tracing::warn!(
                host,
                "[auth] jwks is fetched without TLS: whoever sits between can put keys of their own into it"
            );
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
                answer.map(|answer| answer.bytes().to_vec()).map_err(|error| error.to_string())
            }
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST as u64 {
        return Err("it is larger than 1MiB".to_owned());
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
