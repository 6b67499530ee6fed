//! The page in a real browser; its pictures stay below the target folder, in `tmp/console`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hardening::Running;
use hardening_service_tests::browser;
use hardening_service_tests::client::get;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::app::{MARKUP, Operator, TOKEN, start_with};

/// Calls of every kind until it is dropped.
fn traffic(running: &Running) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let address = running.addr;
    for (path, pause) in [
        ("/price", 15),
        ("/price", 23),
        ("/stock", 20),
        ("/stock", 30),
        ("/ship/well", 60),
        ("/ship/badly", 900),
        ("/search", 12),
        ("/search", 12),
        ("/partner", 45),
        ("/export", 400),
        ("/odd", 700),
    ] {
        clients.spawn(async move {
            loop {
                get(address, path).await;
                sleep(Duration::from_millis(pause)).await;
            }
        });
    }
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_at_the_keyboard_sees_and_steers_the_service() {
    let Some(mut script) = browser::script("console.mjs", env!("CARGO_TARGET_TMPDIR")) else { return };
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    let _ = std::fs::remove_dir_all(&pictures);
    std::fs::create_dir_all(&pictures).expect("a folder");
    let mut running = start_with(&format!(
        "admin.token = '{TOKEN}'\nservice.commit = '<b>3f2c1d0</b>'\nshutdown.pre_drain = '3s'\n"
    ))
    .await;
    let clients = traffic(&running);
    let script = script
        .env("CONSOLE", format!("http://{}", running.admin_addr))
        .env("SERVICE", format!("http://{}", running.addr))
        .env("TOKEN", TOKEN)
        .env("MARKUP", MARKUP)
        .env("PICTURES", &pictures)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    let ended =
        timeout(Duration::from_secs(150), script.wait_with_output()).await.expect("in time").expect("an end");
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}\n{complained}");
    println!("{said}");
    drop(clients);
    assert!(running.ended().await.is_clean());
    for name in ["light", "dark", "light-whole", "dark-whole", "narrow", "dialog", "wrong-token", "draining"]
    {
        let picture = std::fs::read(pictures.join(name).with_extension("png")).expect("a picture");
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{name}: {} bytes", picture.len());
    }
}

/// What the script of the browser does is not done to a service that nobody may steer.
#[tokio::test]
async fn the_page_is_small() {
    let running = start_with("").await;
    let mut all = 0;
    for path in ["/console", "/console/console.css", "/console/console.js", "/console/icon.svg"] {
        all += Operator::with(&running, None).ask("GET", path, &[], "").await.body.len();
    }
    assert!(all < 50 * 1024, "{all} bytes");
    running.shutdown().await;
}
