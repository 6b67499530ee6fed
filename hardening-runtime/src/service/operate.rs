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

/// What stands in front of the word among the arguments.
const ARGUMENT: &str = "--hardening=";

/// What an argument asks for, or else `HARDENING`.
pub(super) fn asked() -> Result<Option<Operation>, String> {
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    of(arguments, std::env::var("HARDENING").ok())
}

fn of(
    arguments: impl Iterator<Item = String>,
    variable: Option<String>,
) -> Result<Option<Operation>, String> {
    // What follows `--` is the program's own.
    for argument in arguments.take_while(|argument| argument != "--") {
        if let Some(word) = argument.strip_prefix(ARGUMENT) {
            return parse("--hardening", word).map(Some);
        }
        if argument == ARGUMENT.trim_end_matches('=') {
            return Err(format!("write what is asked for in one word: `{ARGUMENT}probe`"));
        }
    }
    variable.filter(|word| !word.is_empty()).map(|word| parse("HARDENING", &word)).transpose()
}

fn parse(asked_by: &str, word: &str) -> Result<Operation, String> {
    if let Some((_, operation)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(*operation);
    }
    let words = WORDS.map(|(known, _)| known);
    let near = nearest(word, words).map_or_else(String::new, |near| format!(" did you mean `{near}`?"));
    Err(format!("{asked_by}: unknown operation `{word}`;{near} known: {}", list(&words)))
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
    let ask = |path| ask(listen, path, Duration::from_secs(2));
    match ask("/readyz") {
        Ok(200) => {
            println!("ready");
            ExitCode::SUCCESS
        }
        Ok(503) if matches!(ask("/startupz"), Ok(503)) => {
            eprintln!("error: {listen} is starting");
            ExitCode::FAILURE
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

fn ask(listen: &str, path: &str, patience: Duration) -> std::io::Result<u16> {
    if let Some(file) = unix_path(listen) {
        #[cfg(unix)]
        {
            let stream = std::os::unix::net::UnixStream::connect(file)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            return answer_at(stream, path);
        }
        #[cfg(not(unix))]
        return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, file.display().to_string()));
    }
    let address = listen.to_socket_addrs()?.next().ok_or_else(malformed)?;
    let stream = TcpStream::connect_timeout(&reachable(address), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    answer_at(stream, path)
}

fn malformed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no HTTP answer")
}

fn answer_at(mut stream: impl Read + Write, path: &str) -> std::io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
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
        let of = |arguments: &[&str], variable: &str| {
            of(arguments.iter().map(|argument| (*argument).to_owned()), Some(variable.to_owned()))
        };
        assert_eq!(of(&[], ""), Ok(None));
        assert_eq!(of(&["--port", "80"], "check"), Ok(Some(Operation::Check)));
        assert_eq!(of(&["--port=80", "--hardening=probe"], "check"), Ok(Some(Operation::Probe)));
        assert_eq!(of(&["--", "--hardening=probe"], ""), Ok(None));
        assert!(of(&["--hardening", "probe"], "").unwrap_err().contains("`--hardening=probe`"));
        let wrong = of(&["--hardening=descibe"], "").unwrap_err();
        assert!(
            wrong.starts_with("--hardening: unknown") && wrong.contains("did you mean `describe`?"),
            "{wrong}"
        );
        assert!(of(&[], "x").unwrap_err().contains("`describe`, `check`, `probe` or `rules`"));
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
