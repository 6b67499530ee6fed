//! Test binaries: where cargo put them, which tests they hold, and how a run of one ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) executable: PathBuf,
    /// The package's name and folder: cargo runs a test with both in its environment.
    pub(crate) package: String,
    pub(crate) folder: PathBuf,
    /// The target's name, such as `telemetry` for `tests/telemetry/main.rs`.
    pub(crate) target: String,
}

/// The test binaries in what `cargo test --no-run --message-format=json` writes.
pub(crate) fn binaries(messages: &str) -> Vec<Binary> {
    messages.lines().filter_map(binary).collect()
}

fn binary(message: &str) -> Option<Binary> {
    // The target has a field `test` as well; the profile says whether it was built with libtest's `main`.
    let (_, profile) = message.split_once("\"profile\":{")?;
    let (profile, _) = profile.split_once('}')?;
    if !profile.contains("\"test\":true") {
        return None;
    }
    let (_, target) = message.split_once("\"target\":{")?;
    let manifest = text(message, "manifest_path")?;
    Some(Binary {
        executable: text(message, "executable")?.into(),
        package: package(&text(message, "package_id")?).to_owned(),
        folder: Path::new(&manifest).parent()?.to_owned(),
        target: text(target, "name")?,
    })
}

/// The name in a package's id: `path+file:///folder/name#0.1.0` or `path+file:///folder#name@0.1.0`.
fn package(id: &str) -> &str {
    let (path, version) = id.rsplit_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => path.rsplit('/').next().unwrap_or(path),
    }
}

/// The string that a JSON object has under `key`, if that is a string.
fn text(object: &str, key: &str) -> Option<String> {
    let (_, rest) = object.split_once(&format!("\"{key}\":\""))?;
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            // Paths hold no other escapes than `\\` and `\"`.
            '\\' => value.push(characters.next()?),
            plain => value.push(plain),
        }
    }
}

/// The names of the tests in what `--list --format terse` writes.
pub(crate) fn listed(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// How the tests of one run ended. A test that is in neither list was ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: BTreeSet<String>,
    pub(crate) failed: BTreeSet<String>,
}

/// Reads how `tests` ended from what their binary wrote, and whether it succeeded.
///
/// A test's line may be garbled by a child process that writes to the same pipe. A binary that succeeds has passed every
/// test, and one that fails repeats the names of its failures at the end, so no result depends on that line alone.
/// A binary that ends before its summary, by a signal or a call of `exit`, has failed every test without a result.
pub(crate) fn outcome(tests: &[String], output: &str, succeeded: bool) -> Outcome {
    let with = |result: &str| -> BTreeSet<String> {
        let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
        let named = lines.filter(|(_, ended)| ended.starts_with(result)).map(|(name, _)| name);
        named.map(|name| name.strip_suffix(" - should panic").unwrap_or(name).to_owned()).collect()
    };
    let ignored = with("ignored");
    let run = tests.iter().filter(|name| !ignored.contains(*name));
    if succeeded {
        return Outcome { passed: run.cloned().collect(), failed: BTreeSet::new() };
    }
    let mut failed = with("FAILED");
    failed.extend(failures(output).map(str::to_owned));
    let complete = output.lines().any(|line| line.starts_with("test result: "));
    let passed = with("ok");
    let is_failure = |name: &&String| failed.contains(*name) || !(complete || passed.contains(*name));
    let (failed, passed): (BTreeSet<&String>, BTreeSet<&String>) = run.partition(is_failure);
    let owned = |names: BTreeSet<&String>| names.into_iter().cloned().collect();
    Outcome { passed: owned(passed), failed: owned(failed) }
}

/// The names below the last line `failures:`; above that line stands what each of them wrote.
fn failures(output: &str) -> impl Iterator<Item = &str> {
    let (_, names) = output.rsplit_once("\nfailures:\n").unwrap_or_default();
    names.lines().map_while(|line| line.strip_prefix("    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn test_binaries_are_read_from_cargo_messages() {
        let artifact = |id: &str, target: &str, test: bool, executable: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"package_id\":\"{id}\",\"manifest_path\":\"/w/kit/Cargo.toml\",\
                 \"target\":{{\"kind\":[\"test\"],\"name\":\"{target}\",\"doctest\":false,\"test\":true}},\
                 \"profile\":{{\"opt_level\":\"0\",\"test\":{test}}},\"executable\":{executable},\"fresh\":true}}\n"
            )
        };
        let messages = [
            artifact("path+file:///w/kit#0.1.0", "kit", true, "\"/t/kit \\\"1\\\"\""),
            artifact("path+file:///w/kit#hardening-kit@0.1.0", "http", true, "\"/t/http-2\""),
            artifact("path+file:///w/kit#0.1.0", "a_program", false, "\"/t/program\""),
            artifact("path+file:///w/kit#0.1.0", "a_library", true, "null"),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ];
        let found = binaries(&messages.concat());
        let shown = |binary: &Binary| {
            (binary.executable.display().to_string(), binary.package.clone(), binary.target.clone())
        };
        let of = |executable: &str, package: &str, target: &str| {
            (executable.to_owned(), package.to_owned(), target.to_owned())
        };
        assert_eq!(
            found.iter().map(shown).collect::<Vec<_>>(),
            [of("/t/kit \"1\"", "kit", "kit"), of("/t/http-2", "hardening-kit", "http")]
        );
        assert_eq!(found[0].folder, Path::new("/w/kit"));
    }

    #[test]
    fn listed_tests_are_those_and_no_benchmarks() {
        assert_eq!(listed("a::b: test\nc: benchmark\nd: test\n\n2 tests, 1 benchmark\n"), ["a::b", "d"]);
    }

    #[test]
    fn a_successful_run_passes_every_test_that_is_not_ignored() {
        let tests = ["a", "b", "c", "d"].map(str::to_owned);
        let output = "running 4 tests\ntest a ... ok\nnoise of a childtest b ... ok\ntest c ... ignored, slow\n\
                      test d - should panic ... ok\n\ntest result: ok. 3 passed; 0 failed; 1 ignored\n";
        let expected = Outcome { passed: names(&["a", "b", "d"]), failed: names(&[]) };
        assert_eq!(outcome(&tests, output, true), expected);
    }

    #[test]
    fn failures_are_found_even_where_their_line_is_garbled() {
        let tests = ["a", "b", "c", "d"].map(str::to_owned);
        let output = "running 4 tests\ntest a ... ok\ntest b ... FAILED\nnoisetest c ... FAILED\nnoisetest d ... ok\n\n\
                      failures:\n\n---- b stdout ----\nit says\nfailures:\n    d\n\n\
                      failures:\n    b\n    c\n\ntest result: FAILED. 2 passed; 2 failed\n";
        let expected = Outcome { passed: names(&["a", "d"]), failed: names(&["b", "c"]) };
        assert_eq!(outcome(&tests, output, false), expected);
    }

    #[test]
    fn a_binary_that_dies_fails_every_test_without_a_result() {
        let tests = ["a", "b", "c"].map(str::to_owned);
        let output = "running 3 tests\ntest a ... ok\ntest b ... ignored\n";
        let expected = Outcome { passed: names(&["a"]), failed: names(&["c"]) };
        assert_eq!(outcome(&tests, output, false), expected);
        assert_eq!(outcome(&tests, "", false).failed, names(&["a", "b", "c"]));
    }
}
