//! Secrets in files that change as those of Kubernetes, Docker and agents do.
#![cfg(unix)]

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::client::get;
use crate::process::{Process, Program};
use crate::support::{metric, until};

async fn is(address: SocketAddr, guess: &str) -> bool {
    get(address, &format!("/is/{guess}")).await.body == "true"
}

/// A service whose secret is the file that `make` makes in a directory.
async fn guarded(make: impl FnOnce(&Path) -> PathBuf) -> (Process, PathBuf) {
    let program = Program::office("guarded");
    let directory = PathBuf::from(program.directory.write("here", "")).parent().unwrap().to_path_buf();
    let file = make(&directory);
    let reference = format!("secret://file{}", file.display());
    (program.with("HARDENING_SECRETS__KEY", &reference).serve().await, file)
}

#[tokio::test]
async fn what_kubernetes_swaps_is_followed() {
    let version = |directory: &Path, name: &str, secret: &str| {
        std::fs::create_dir(directory.join(name)).unwrap();
        std::fs::write(directory.join(name).join("key"), secret).unwrap();
    };
    let (service, file) = guarded(|directory| {
        version(directory, "..1", "first\n");
        symlink("..1", directory.join("..data")).unwrap();
        symlink("..data/key", directory.join("key")).unwrap();
        directory.join("key")
    })
    .await;
    assert!(is(service.addr, "first").await);
    let directory = file.parent().unwrap();
    version(directory, "..2", "other\n");
    symlink("..2", directory.join("..data_tmp")).unwrap();
    std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    std::fs::remove_dir_all(directory.join("..1")).unwrap();
    until("the new secret", || is(service.addr, "other")).await;
    metric(service.admin_addr, "secret_reload_total{name=\"key\",result=\"changed\"} 1").await;
    metric(service.admin_addr, "secret_reload_total{name=\"key\",result=\"failed\"} 0").await;
}

#[tokio::test]
async fn what_an_agent_renames_into_place_and_what_is_written_anew_is_followed() {
    let (service, file) = guarded(|directory| {
        std::fs::write(directory.join("key"), "first").unwrap();
        directory.join("key")
    })
    .await;
    // As long as the first.
    std::fs::write(file.with_extension("tmp"), "third").unwrap();
    std::fs::rename(file.with_extension("tmp"), &file).unwrap();
    until("the renamed secret", || is(service.addr, "third")).await;
    std::fs::write(&file, "the fourth\r\n").unwrap();
    until("the secret written anew", || is(service.addr, "the%20fourth")).await;
    metric(service.admin_addr, "secret_reload_total{name=\"key\",result=\"changed\"} 2").await;
}

#[tokio::test]
async fn the_last_good_value_stays_while_there_is_none() {
    let (service, file) = guarded(|directory| {
        std::fs::write(directory.join("key"), "first-value").unwrap();
        directory.join("key")
    })
    .await;
    let (address, admin) = (service.addr, service.admin_addr);
    metric(admin, "secret_stale{name=\"key\"} 0").await;
    std::fs::remove_file(&file).unwrap();
    metric(admin, "secret_stale{name=\"key\"} 1").await;
    metric(admin, "secret_reload_total{name=\"key\",result=\"failed\"} 1").await;
    assert!(is(address, "first-value").await);
    std::fs::write(&file, " \n").unwrap();
    metric(admin, "secret_reload_total{name=\"key\",result=\"failed\"} 2").await;
    assert!(is(address, "first-value").await);
    std::fs::write(&file, "second-value").unwrap();
    until("the new secret", || is(address, "second-value")).await;
    metric(admin, "secret_stale{name=\"key\"} 0").await;
    service.signal("TERM");
    service.signal("TERM");
    let end = service.ended().await;
    let told: Vec<_> = end
        .log()
        .into_iter()
        .filter(|line| line["name"] == "key")
        .map(|line| line["error"].clone())
        .collect();
    assert_eq!(told.len(), 3, "gone, blank, changed: {told:?}");
    assert!(told[1].as_str().unwrap().contains("holds nothing but blanks"), "{told:?}");
    let all = format!("{end:?}").replace("/is/first-value", "").replace("/is/second-value", "");
    assert!(!all.contains("first-value") && !all.contains("second-value"), "{all}");
}
