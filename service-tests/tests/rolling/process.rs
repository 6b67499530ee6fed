//! Instances of the service, each a process of its own: this binary, run again.

use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};

use hardening_service_tests::client::{Client, PATIENCE, request};
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep, timeout};

const INSTANCE: &str = "ROLLING_TEST_INSTANCE";

/// The instance's `main`; in the tests' own process it does nothing.
#[test]
fn instance_main() {
    if std::env::var_os(INSTANCE).is_some() {
        let code = crate::app::service().run();
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// Whether an instance says that it is ready.
pub(crate) async fn is_ready(addr: SocketAddr) -> bool {
    let asked = async {
        let stream = tokio::net::TcpStream::connect(addr).await.ok()?;
        let mut client = Client::over(stream);
        client.sent(request("GET", "/readyz", &[("connection", "close")], "")).await.then_some(())?;
        client.rest().await.starts_with("HTTP/1.1 200").then_some(())
    };
    timeout(Duration::from_secs(1), asked).await.is_ok_and(|ready| ready.is_some())
}

/// One instance on its ports, killed when dropped.
pub(crate) struct Instance {
    child: Child,
    pub(crate) addr: SocketAddr,
    admin: SocketAddr,
}

impl Instance {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(addr: SocketAddr, admin: SocketAddr, pre_drain: Duration) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::instance_main", "--nocapture", "--quiet"])
            .env(INSTANCE, "1")
            .env("HARDENING_HTTP__LISTEN", addr.to_string())
            .env("HARDENING_HTTP__ADMIN", admin.to_string())
            .env("HARDENING_HTTP__RATE_LIMIT", "none")
            .env("HARDENING_SHUTDOWN__PRE_DRAIN", format!("{}ms", pre_drain.as_millis()))
            .env("HARDENING_LOG__LEVEL", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !is_ready(admin).await {
            assert!(began.elapsed() < PATIENCE, "{addr} is not ready");
            sleep(Duration::from_millis(10)).await;
        }
        Self { child, addr, admin }
    }

    /// Asks it to end, waits until it has, and starts its successor in the same place.
    pub(crate) async fn replaced(mut self, pre_drain: Duration) -> Self {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().await.unwrap().success());
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        assert!(ended.success(), "{ended}");
        Self::start(self.addr, self.admin, pre_drain).await
    }

    /// Where it says whether it is ready.
    pub(crate) const fn admin(&self) -> SocketAddr {
        self.admin
    }
}
