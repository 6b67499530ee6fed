//! Instructions, counted by valgrind's callgrind.

use std::process::Command;

/// Instructions of one run in a process of its own.
pub(crate) fn instructions(at: usize, calls: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["run", &at.to_string(), &calls.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind does not run ({error}): install it, on Debian with `apt-get install valgrind`")
        })?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the measured calls failed:\n{report}"));
    }
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    collected
        .and_then(|(_, count)| count.trim().parse().ok())
        .ok_or_else(|| format!("callgrind printed no count:\n{report}"))
}
