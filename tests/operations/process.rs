//! Services as processes of their own: the example, and this binary run again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::PATIENCE;

const SERVICE: &str = "OPERATIONS_TEST_SERVICE";

/// The child's `main`; in the parent it does nothing.
#[test]
fn child_main() {
    if let Ok(name) = std::env::var(SERVICE) {
        let code = crate::app::service(&name).run();
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// The example's executable, built when it is missing or older than these tests.
fn quickstart() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let name = format!("quickstart{}", std::env::consts::EXE_SUFFIX);
        let example = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
        let changed = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
        if changed(&example) < changed(&tests) {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut build = std::process::Command::new(cargo);
            // Set by `cargo xtask test --repeat`: with it everything would be compiled anew.
            build.env_remove("RUSTC_BOOTSTRAP");
            build.args(["build", "--quiet", "--example", "quickstart", "--manifest-path"]);
            build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
            build.args((!cfg!(debug_assertions)).then_some("--release"));
            assert!(build.status().unwrap().success());
        }
        example
    })
}

/// An empty directory, gone when dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("hardening-operations-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and answers its whole path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// The whole path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn make(&self, name: &str) {
        std::fs::create_dir(self.0.join(name)).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process about to be started in a directory of its own, on free ports.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    pub(crate) directory: Directory,
}

impl Program {
    /// The example.
    pub(crate) fn quickstart() -> Self {
        Self::of(Command::new(quickstart()))
    }

    /// The service of this name in [`crate::app`].
    pub(crate) fn office(service: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::child_main", "--nocapture", "--quiet"]).env(SERVICE, service);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let directory = Directory::new();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HARDENING") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
            .env("HARDENING_HTTP__LISTEN", "127.0.0.1:0")
            .env("HARDENING_HTTP__ADMIN", "127.0.0.1:0")
            .current_dir(&directory.0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, directory }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With this argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// With what the file, not the environment, says of addresses.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// With this `hardening.toml`.
    pub(crate) fn file(self, text: &str) -> Self {
        self.directory.write("hardening.toml", text);
        self
    }

    /// Runs it to its end.
    pub(crate) async fn run(self) -> End {
        let (process, _) = self.spawn();
        process.ended().await
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn serve(self) -> Process {
        let (mut process, serving) = self.spawn();
        let Ok(addresses) = timeout(PATIENCE, serving).await.expect("it neither serves nor ends") else {
            panic!("it does not serve: {:?}", process.ended().await);
        };
        (process.addr, process.admin_addr) = addresses;
        process
    }

    /// Starts it, and tells when it serves, where its log is JSON.
    pub(crate) fn spawn(mut self) -> (Process, oneshot::Receiver<(SocketAddr, SocketAddr)>) {
        let mut child = self.command.spawn().unwrap();
        let (say, serving) = oneshot::channel();
        let lines = Arc::default();
        let said = tokio::spawn(read(child.stdout.take().unwrap(), say, Arc::clone(&lines)));
        let mut stderr = child.stderr.take().unwrap();
        let complained = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let process = Process {
            child,
            addr: nowhere,
            admin_addr: nowhere,
            lines,
            said,
            complained,
            directory: Mutex::new(self.directory),
        };
        (process, serving)
    }
}

/// Reads what a process says, and tells the addresses of its first line.
async fn read(
    stdout: impl AsyncRead + Unpin,
    say: oneshot::Sender<(SocketAddr, SocketAddr)>,
    said: Arc<Mutex<Vec<String>>>,
) {
    let (mut lines, mut say) = (BufReader::new(stdout).lines(), Some(say));
    while let Some(line) = lines.next_line().await.unwrap() {
        let logged: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |key: &str| logged[key].as_str().and_then(|address| address.parse().ok());
        if logged["message"] == "serving"
            && let (Some(listen), Some(admin), Some(say)) = (address("listen"), address("admin"), say.take())
        {
            let _ = say.send((listen, admin));
        }
        said.lock().unwrap().push(line);
    }
}

/// A running process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) admin_addr: SocketAddr,
    /// The lines of its standard output so far.
    lines: Arc<Mutex<Vec<String>>>,
    said: JoinHandle<()>,
    complained: JoinHandle<String>,
    directory: Mutex<Directory>,
}

impl Process {
    /// Writes its `hardening.toml` anew.
    pub(crate) fn write_settings(&self, text: &str) {
        self.directory.lock().unwrap().write("hardening.toml", text);
    }

    /// Takes its `hardening.toml` away.
    pub(crate) fn remove_settings(&self) {
        std::fs::remove_file(self.directory.lock().unwrap().path("hardening.toml")).unwrap();
    }

    /// Sends a signal, `TERM`, `INT` or `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has written this line so many times.
    pub(crate) async fn says(&self, line: &str, times: usize) {
        let said = async {
            while self.lines.lock().unwrap().iter().filter(|said| *said == line).count() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, said).await.is_ok(), "it does not say {line:?} {times} times");
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> End {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap();
        self.said.await.unwrap();
        let said = self.lines.lock().unwrap().clone();
        End { code: status.code().unwrap_or(-1), said, complained: self.complained.await.unwrap() }
    }
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: i32,
    /// The lines of its standard output.
    pub(crate) said: Vec<String>,
    /// Its standard error.
    pub(crate) complained: String,
}

impl End {
    /// The lines of its log.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.said.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// The JSON object that it printed.
    #[track_caller]
    pub(crate) fn manifest(&self) -> Value {
        assert_eq!((self.code, self.complained.as_str()), (0, ""));
        let text = self.said.join("\n");
        // In a child of this binary the harness speaks too.
        let (from, to) = (text.find("{\n").unwrap_or(0), text.rfind('}').map_or(text.len(), |at| at + 1));
        serde_json::from_str(&text[from..to]).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Asserts that it did not start, and answers why.
    #[track_caller]
    pub(crate) fn refusals(&self) -> Vec<&str> {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(!self.log().iter().any(|line| line["message"] == "serving"), "{self:?}");
        let lines: Vec<_> = self.complained.lines().map(|line| line.strip_prefix("error: ")).collect();
        let lines = lines.into_iter().collect::<Option<Vec<_>>>();
        lines.filter(|lines| !lines.is_empty()).unwrap_or_else(|| panic!("{self:?}"))
    }

    /// Asserts that it did not start for one reason, said with all of `parts`.
    #[track_caller]
    pub(crate) fn refused(&self, parts: &[&str]) {
        let refusals = self.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:#?}");
        for part in parts {
            assert!(refusals[0].contains(part), "`{part}` is not in `{}`", refusals[0]);
        }
    }
}
