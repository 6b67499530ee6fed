//! The binary as its own tool: `HARDENING=describe`, `check`, `probe` and `rules`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use hardening_spec::keys::list;
use hardening_spec::suggest::nearest;

use super::address::unix_path;
use super::manifest;
use super::spec::ServiceSpec;
use super::start::StartError;
use crate::settings::Loaded;
use crate::telemetry::redact;

/// What the environment asks the binary to do instead of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Print the manifest.
    Describe,
    /// Validate the configuration.
    Check,
    /// Ask the running instance whether it is ready.
    Probe,
    /// Print the rules by which Prometheus watches the error budgets.
    Rules,
}

const WORDS: [(&str, Operation); 4] = [
    ("describe", Operation::Describe),
    ("check", Operation::Check),
    ("probe", Operation::Probe),
    ("rules", Operation::Rules),
];

/// What `HARDENING` asks for.
pub(super) fn asked() -> Result<Option<Operation>, String> {
    match std::env::var("HARDENING") {
        Ok(word) if !word.is_empty() => parse(&word).map(Some),
        _ => Ok(None),
    }
}

fn parse(word: &str) -> Result<Operation, String> {
    if let Some((_, operation)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(*operation);
    }
    let words = WORDS.map(|(known, _)| known);
    let near = nearest(word, words).map_or_else(String::new, |near| format!(" did you mean `{near}`?"));
    Err(format!("HARDENING: unknown operation `{word}`;{near} known: {}", list(&words)))
}

/// Prints the manifest. What is wrong with the configuration is part of it.
pub(super) fn describe(spec: &ServiceSpec, loaded: Result<&Loaded, &StartError>) -> ExitCode {
    let manifest = manifest::of(spec, loaded);
    // Maps of strings and numbers always serialise.
    print(&serde_json::to_string_pretty(&manifest).unwrap_or_default())
}

/// Prints a document, which somebody may not want to read to its end.
pub(super) fn print(text: &str) -> ExitCode {
    if writeln!(std::io::stdout(), "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The configuration is valid; says so, with what is doubtful.
pub(super) fn checked(loaded: &Loaded) -> ExitCode {
    for warning in &loaded.warnings {
        eprintln!("warning: {}", redact::text(warning));
    }
    println!("the configuration is valid");
    ExitCode::SUCCESS
}

/// Asks the instance that listens at `listen` whether it is ready.
pub(super) fn probe(listen: &str) -> ExitCode {
    match ask(listen, Duration::from_secs(2)) {
        Ok(200) => {
            println!("ready");
            ExitCode::SUCCESS
        }
        Ok(status) => {
            eprintln!("error: {listen} answers {status}: not ready");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {listen} does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(listen: &str, patience: Duration) -> std::io::Result<u16> {
    if let Some(path) = unix_path(listen) {
        #[cfg(unix)]
        {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            return ready_at(stream);
        }
        #[cfg(not(unix))]
        return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, path.display().to_string()));
    }
    let address = listen.to_socket_addrs()?.next().ok_or_else(malformed)?;
    let stream = TcpStream::connect_timeout(&reachable(address), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    ready_at(stream)
}

fn malformed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no HTTP answer")
}

fn ready_at(mut stream: impl Read + Write) -> std::io::Result<u16> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head).ok().and_then(|head| head.strip_prefix("HTTP/1.1 "));
    status.and_then(|status| status.parse().ok()).ok_or_else(malformed)
}

/// Where a listener on every interface can be reached from here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_known_by_their_words() {
        assert_eq!(parse("check"), Ok(Operation::Check));
        assert!(parse("descibe").unwrap_err().contains("did you mean `describe`?"));
        assert!(parse("x").unwrap_err().contains("`describe`, `check`, `probe` or `rules`"));
    }

    #[test]
    fn a_listener_on_every_interface_is_reached_at_the_loopback() {
        for (listen, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
