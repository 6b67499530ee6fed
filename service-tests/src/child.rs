//! A service as a process of its own: the test binary, run again.

use std::net::SocketAddr;
use std::process::{ExitCode, ExitStatus, Stdio};

use hardening::Service;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::PATIENCE;

const CHILD: &str = "SERVICE_TESTS_CHILD";

/// What the test of this name, which starts with a call of this, does in the child; in the parent it does nothing.
pub fn main_of(name: &str, service: impl FnOnce() -> Service) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        let code = service().run();
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// A running service, killed when dropped.
pub struct Child {
    process: tokio::process::Child,
    pub addr: SocketAddr,
    pub admin_addr: SocketAddr,
    said: JoinHandle<Vec<String>>,
    complained: JoinHandle<Vec<String>>,
    /// Whether its pipes are read.
    reading: watch::Sender<bool>,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    /// Its log, where it is JSON.
    pub log: Vec<Value>,
    /// Everything on its standard output.
    pub said: String,
    /// Everything on its standard error.
    pub complained: String,
}

impl End {
    fn new(status: ExitStatus, said: &[String], complained: &[String]) -> Self {
        let log = said.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { code: status.code(), log, said: said.join("\n"), complained: complained.join("\n") }
    }
}

impl Child {
    /// Runs the test of this name, whole, with these variables, on free ports, and waits until it serves.
    pub async fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::serving(spawn(program(), name, variables)).await
    }

    /// The same with this limit of open files, as the flags of `ulimit`.
    pub async fn start_with_files(limit: &str, name: &str, variables: &[(&str, &str)]) -> Self {
        Self::serving(spawn(with_files(limit), name, variables)).await
    }

    async fn serving(mut process: tokio::process::Child) -> Self {
        let (say, serving) = oneshot::channel();
        let reading = watch::Sender::new(true);
        let said = tokio::spawn(read(process.stdout.take().unwrap(), Some(say), reading.subscribe()));
        let complained = tokio::spawn(read(process.stderr.take().unwrap(), None, reading.subscribe()));
        let (addr, admin_addr) = timeout(PATIENCE, serving).await.expect("in time").expect("it serves");
        Self { process, addr, admin_addr, said, complained, reading }
    }

    /// Stops reading its standard output and its standard error, whose pipes then fill up.
    pub fn stop_reading(&self) {
        self.reading.send_replace(false);
    }

    /// Reads both of them again.
    pub fn read_again(&self) {
        self.reading.send_replace(true);
    }

    /// Waits for its exit code, without a byte of its pipes being read.
    pub async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap().code()
    }

    /// Runs the test of this name, whole, with these variables, to its end.
    pub async fn run(name: &str, variables: &[(&str, &str)]) -> End {
        Self::to_its_end(spawn(program(), name, variables)).await
    }

    /// The same with this limit of open files, as the flags of `ulimit`.
    pub async fn run_with_files(limit: &str, name: &str, variables: &[(&str, &str)]) -> End {
        Self::to_its_end(spawn(with_files(limit), name, variables)).await
    }

    async fn to_its_end(mut process: tokio::process::Child) -> End {
        let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let reading = watch::Sender::new(true);
        let (out, err) = (read(stdout, None, reading.subscribe()), read(stderr, None, reading.subscribe()));
        let ended = async { tokio::join!(process.wait(), out, err) };
        let (status, said, complained) = timeout(PATIENCE, ended).await.expect("it ends");
        End::new(status.unwrap(), &said, &complained)
    }

    /// Asks it to end.
    pub async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends it the signal of this name.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> End {
        let status = timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap();
        End::new(status, &self.said.await.unwrap(), &self.complained.await.unwrap())
    }
}

fn program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// The program, by way of a shell that limits its open files.
fn with_files(limit: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    command
}

fn spawn(mut command: Command, name: &str, variables: &[(&str, &str)]) -> tokio::process::Child {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HARDENING") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(["--exact", name, "--nocapture", "--quiet"])
        .env(CHILD, name)
        .env("HARDENING_HTTP__LISTEN", "127.0.0.1:0")
        .env("HARDENING_HTTP__ADMIN", "127.0.0.1:0")
        .env("HARDENING_HTTP__RATE_LIMIT", "none")
        .env("HARDENING_LOG__FORMAT", "json")
        .env("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")
        .envs(variables.iter().copied())
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

type Addresses = (SocketAddr, SocketAddr);

/// Every line; says where it serves as soon as it does. What has nobody to say it to is a standard error, and shown.
async fn read(
    pipe: impl AsyncRead + Unpin,
    mut say: Option<oneshot::Sender<Addresses>>,
    mut reading: watch::Receiver<bool>,
) -> Vec<String> {
    let (mut lines, shown, mut said) = (BufReader::new(pipe).lines(), say.is_none(), Vec::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        if shown {
            eprintln!("{line}");
        }
        if say.is_some()
            && let Some(addresses) = serving(&line)
            && let Some(say) = say.take()
        {
            let _ = say.send(addresses);
        }
        said.push(line);
        // Whoever holds the sender no longer wants it stopped.
        let _ = reading.wait_for(|reading| *reading).await;
    }
    said
}

/// The addresses in the line that says them, in either form of the log.
fn serving(line: &str) -> Option<Addresses> {
    let of = |key: &str| match serde_json::from_str::<Value>(line) {
        Ok(logged) => {
            logged[key].as_str().filter(|_| logged["message"] == "serving").and_then(|at| at.parse().ok())
        }
        Err(_) if line.contains("serving") => {
            let (_, rest) = line.split_once(&format!("{key}="))?;
            rest.split_whitespace().next()?.trim_matches('"').parse().ok()
        }
        Err(_) => None,
    };
    Some((of("listen")?, of("admin")?))
}
