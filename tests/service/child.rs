//! The service as a process of its own: this binary, run again.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::ports::free;
use super::support::PATIENCE;

const SERVICE: &str = "HARDENING_TEST_SERVICE";

/// The child's `main`; in the parent it does nothing.
#[test]
fn child_main() {
    if let Ok(name) = std::env::var(SERVICE) {
        let code = super::app::run(&name);
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// A command that runs the service of this name with these variables, in an empty directory of its own.
pub(crate) fn command(service: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::child_main", "--nocapture", "--quiet"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HARDENING") || name == "RUST_LOG")
    {
        command.env_remove(name);
    }
    command.env(SERVICE, service).envs(variables.iter().copied());
    command.current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn output(service: &str, variables: &[(&str, &str)]) -> (i32, String, String) {
    finished(&command(service, variables).output().unwrap())
}

/// Exit code, standard output and standard error.
pub(crate) fn finished(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Whether a request is answered.
async fn answers(addr: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(addr).await else { return false };
    let mut answer = String::new();
    let asked = stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .is_ok();
    asked && stream.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A serving child, killed when dropped.
pub(crate) struct Serving {
    child: Option<Child>,
    pub(crate) addr: SocketAddr,
}

impl Serving {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(service: &str, variables: &[(&str, &str)]) -> Self {
        let mut serving = Self::begin(service, variables).await;
        let addr = serving.addr;
        serving.until(async || answers(addr).await).await;
        serving
    }

    /// Starts it and waits until its port is bound: set-up goes on.
    pub(crate) async fn begin(service: &str, variables: &[(&str, &str)]) -> Self {
        let (addr, admin) = (free(), free());
        let (listen, admin_listen) = (addr.to_string(), admin.to_string());
        let mut all =
            vec![("HARDENING_HTTP__LISTEN", listen.as_str()), ("HARDENING_HTTP__ADMIN", &admin_listen)];
        all.extend_from_slice(variables);
        let mut serving = Self { child: Some(command(service, &all).spawn().unwrap()), addr };
        serving.until(async || TcpStream::connect(addr).await.is_ok()).await;
        serving
    }

    async fn until(&mut self, is_so: impl AsyncFn() -> bool) {
        let serving = self;
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await {
            let ended = serving.child.as_mut().unwrap().try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let end = serving.wait().await;
                panic!("it does not serve: {end:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal, `TERM` or `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end: exit code, standard output and standard error.
    pub(crate) async fn wait(&mut self) -> (i32, String, String) {
        let child = self.child.take().unwrap();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
        finished(&output)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut said);
            }
            eprintln!("{said}");
        }
    }
}
