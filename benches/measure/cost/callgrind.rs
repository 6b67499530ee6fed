//! Instructions, counted by valgrind's callgrind.

use std::process::Command;

/// How many times both numbers of calls are measured: start-up may differ from one process to the next, by the seed of a
/// hash or by a clock that is calibrated.
const RUNS: usize = 3;
/// Half of the runs may differ from the median by this share at most.
const STEADY: f64 = 0.1;

/// Instructions of one call: the median difference between `few` and `many` calls.
///
/// # Errors
/// Why there is no such number: callgrind does not run, or what it counts differs too much.
pub(crate) fn per_call(at: usize, few: u64, many: u64) -> Result<f64, String> {
    let mut differences = Vec::new();
    for _ in 0..RUNS {
        differences.push(i128::from(instructions(at, many)?) - i128::from(instructions(at, few)?));
    }
    judge(differences, many - few)
}

/// The instructions of one call, if differences of so many calls agree on them.
fn judge(mut differences: Vec<i128>, calls: u64) -> Result<f64, String> {
    differences.sort_unstable();
    let median = differences[differences.len() / 2];
    let far = |difference: &&i128| (**difference - median).unsigned_abs() as f64 > median as f64 * STEADY;
    if median <= 0 || differences.iter().filter(far).count() * 2 > differences.len() {
        return Err(format!(
            "the counts differ too much to say what a call costs: {differences:?} for {calls} calls"
        ));
    }
    Ok(median as f64 / calls as f64)
}

/// Instructions of one run in a process of its own.
fn instructions(at: usize, calls: u64) -> Result<u64, String> {
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

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_figure_is_the_median_of_runs_that_agree() {
        assert_eq!(judge(vec![3000, 2990, 3010], 10), Ok(300.0));
        // One process whose start-up differs does not count.
        assert_eq!(judge(vec![3000, -500_000, 3010], 10), Ok(300.0));
    }

    #[test]
    fn nonsense_is_no_figure() {
        for differences in [vec![0, 0, 0], vec![-3, -2, -1], vec![100, 3000, 90_000]] {
            let why = judge(differences.clone(), 10).unwrap_err();
            assert!(why.contains("differ too much"), "{differences:?}: {why}");
        }
    }
}
