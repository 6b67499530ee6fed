//! Clients of `WebSocket`s that others wrote.

use std::process::Stdio;
use std::time::Duration;

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::{browser, tool};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::app::start;

/// Says `open` once it has had its answers, and ends well once the service has closed it with 1001.
const PYTHON: &str = r#"
import asyncio, ssl, sys
import websockets

async def main(url, root):
    trusts = ssl.create_default_context(cafile=root) if root else None
    async with websockets.connect(url, ssl=trusts, max_size=None, ping_interval=0.2) as socket:
        for message in ["text", b"\x00\x01", "x" * 3_000_000, ["frag", "mented"]]:
            await socket.send(message)
            whole = "".join(message) if isinstance(message, list) else message
            assert await socket.recv() == whole, whole[:20]
        await (await socket.ping(b"alive"))
        print("open", flush=True)
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (1001, "the service stops"), closed
            return
        sys.exit("a message that nobody sent")

asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
"#;

/// Lets a client speak to the service at a port until it says that it is open, and stops the service.
async fn speaks(settings: &str, client: impl FnOnce(u16) -> Option<Command>) {
    let running = start(&format!("{settings}\n[shutdown]\npre_drain = '200ms'")).await;
    let Some(mut command) = client(running.addr.port()) else { return };
    let Some(mut client) = tool::spawned(command.stdout(Stdio::piped()).stderr(Stdio::piped())) else {
        return;
    };
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let said = timeout(Duration::from_mins(1), lines.next_line()).await.expect("in time").unwrap();
    if said.as_deref() == Some("open") {
        assert!(running.shutdown().await.is_clean());
    }
    let mut complained = String::new();
    client.stderr.take().unwrap().read_to_string(&mut complained).await.unwrap();
    let ended = timeout(Duration::from_secs(30), client.wait()).await.expect("in time").unwrap();
    assert!(ended.success() && said.is_some(), "{said:?}: {complained}");
}

fn python(url: String, root: Option<String>) -> Command {
    let mut command = Command::new("python-websockets");
    command.args(["-c", PYTHON]).arg(url).args(root);
    command
}

#[tokio::test]
async fn python_speaks_and_is_told_the_end() {
    speaks("", |port| Some(python(format!("ws://localhost:{port}/echo"), None))).await;
}

#[tokio::test]
async fn python_speaks_under_tls() {
    let authority = Authority::new();
    let root = authority.file("root.pem", &authority.pem());
    let settings = authority.install(&authority.server());
    speaks(&settings, |port| Some(python(format!("wss://localhost:{port}/echo"), Some(root)))).await;
}

fn browser_at(service: &str) -> Option<Command> {
    let mut script = browser::script("sockets.mjs", env!("CARGO_TARGET_TMPDIR"))?;
    script.env("SERVICE", service);
    Some(script)
}

#[tokio::test]
async fn a_browser_speaks_and_is_told_the_end() {
    speaks("", |port| browser_at(&format!("http://localhost:{port}"))).await;
}

/// Under TLS a browser speaks HTTP/2, and opens its sockets there where that is switched on.
#[tokio::test]
async fn a_browser_speaks_under_tls_over_both_versions_of_http() {
    let authority = Authority::new();
    for more in ["", "[http]\nhttp2_websockets = true\n"] {
        let settings = format!("{}{more}", authority.install(&authority.server()));
        speaks(&settings, |port| browser_at(&format!("https://localhost:{port}"))).await;
    }
}
