//! A service as a process of its own: the test binary, run again.

use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};

use hardening::Service;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::oneshot;
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
    said: JoinHandle<Vec<Value>>,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    /// Its log.
    pub log: Vec<Value>,
}

impl Child {
    /// Runs the test of this name, whole, with these variables, on free ports, and waits until it serves.
    pub async fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HARDENING") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        let mut process = command
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
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (say, serving) = oneshot::channel();
        let said = tokio::spawn(read(process.stdout.take().unwrap(), say));
        let (addr, admin_addr) = timeout(PATIENCE, serving).await.expect("in time").expect("it serves");
        Self { process, addr, admin_addr, said }
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
        End { code: status.code(), log: self.said.await.unwrap() }
    }
}

async fn read(stdout: impl AsyncRead + Unpin, say: oneshot::Sender<(SocketAddr, SocketAddr)>) -> Vec<Value> {
    let (mut lines, mut say, mut said) = (BufReader::new(stdout).lines(), Some(say), Vec::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        let Ok(logged) = serde_json::from_str::<Value>(&line) else { continue };
        let address = |key: &str| logged[key].as_str().and_then(|address| address.parse().ok());
        if logged["message"] == "serving"
            && let (Some(listen), Some(admin), Some(say)) = (address("listen"), address("admin"), say.take())
        {
            let _ = say.send((listen, admin));
        }
        said.push(logged);
    }
    said
}
