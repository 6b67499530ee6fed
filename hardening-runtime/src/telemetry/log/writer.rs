//! The threads that write lines: whoever logs hands over a copy and goes on, whether or not somebody reads.

use std::io::{self, Write};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::queue::{self, Dropped, ENOUGH, Queue, Weight};
use crate::telemetry::escape;
use crate::telemetry::text::Family;

/// How much may wait for standard error, in bytes: little is ever said there.
const COMPLAINTS: usize = 256 * 1024;

/// The pause before bytes are offered again to a file that takes none and does not wait.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How long the end of the process waits for lines that nobody has read yet.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

/// For standard output: the log.
static LOG: Queue = Queue::new();

/// For standard error: what is said there while the service runs.
static COMPLAINING: Queue = Queue::new();

/// Begins to write the log from a queue of so many bytes. Where there can be no further thread, lines are written by
/// whoever logs.
pub(super) fn begin(most: u64) {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    spawn("log", &LOG, most, |lines| whole(&mut io::stdout().lock(), lines), tell);
}

/// Hands over one line of the log.
pub(super) fn line(meta: &Metadata<'_>, line: &[u8]) {
    To(Weight::of(meta)).hand_over(line);
}

/// Says a line on standard error without waiting for its reader. It may have a stranger's text in it, as a panic has.
pub(crate) fn complain(text: &str) {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let tell = |dropped: Dropped| {
            let text = format!("warning: {} lines were dropped before this one\n", dropped.lines);
            COMPLAINING.push(Weight::Always, text.as_bytes());
        };
        spawn("stderr", &COMPLAINING, COMPLAINTS, |lines| whole(&mut io::stderr().lock(), lines), tell);
    });
    let text = format!("{}\n", escape::plain(text));
    if !COMPLAINING.push(Weight::Grave, text.as_bytes()) {
        // Nobody reads it any more.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Waits until all lines are written, but no longer than `within`: for the end of the process.
pub(crate) fn flush(within: Duration) {
    let until = queue::now() + within;
    LOG.flush(until);
    COMPLAINING.flush(until);
}

/// Writes how many lines were dropped.
pub(crate) fn render(out: &mut String) {
    let help = "Log lines that were dropped because they were not read fast enough.";
    let mut family = Family::counter(out, "hardening_log_lines_dropped_total", help);
    family.sample(&[], LOG.dropped() + COMPLAINING.dropped());
}

/// Where a line of this weight goes.
pub(super) struct To(Weight);

impl To {
    fn hand_over(&self, line: &[u8]) {
        if !LOG.push(self.0, line) {
            // Nobody reads it any more.
            let _ = io::stdout().lock().write_all(line);
        }
    }
}

impl Write for To {
    /// Takes a whole line, as the layer for people hands it over.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.hand_over(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes [`To`] for each line of the layer for people.
#[derive(Debug)]
pub(super) struct ByWeight;

impl MakeWriter<'_> for ByWeight {
    type Writer = To;

    fn make_writer(&self) -> To {
        To(Weight::Usual)
    }

    fn make_writer_for(&self, meta: &Metadata<'_>) -> To {
        To(Weight::of(meta))
    }
}

fn tell(dropped: Dropped) {
    tracing::warn!(
        target: "hardening::log",
        dropped = dropped.lines,
        dropped_warnings = dropped.warnings,
        "log lines were dropped because standard output was not read fast enough"
    );
}

fn spawn(
    name: &str,
    queue: &'static Queue,
    most: usize,
    write: fn(&[u8]) -> io::Result<()>,
    tell: fn(Dropped),
) {
    let writer = move || {
        let mut lines = Vec::new();
        loop {
            queue.take(&mut lines);
            let mut rest = lines.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(end(rest));
                if write(now).is_err() {
                    queue.lost(now.split_inclusive(|byte| *byte == b'\n').count() as u64);
                }
                if let Some(dropped) = queue.wrote(now.len()) {
                    tell(dropped);
                    queue.told();
                }
                rest = later;
            }
        }
    };
    if thread::Builder::new().name(name.to_owned()).spawn(writer).is_ok() {
        queue.open(most);
    }
}

/// Where to cut lines that are written at once: behind a line, so that what else is printed falls between two.
fn end(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = lines.get(..ENOUGH).unwrap_or(lines).iter().rposition(is_end);
    within.or_else(|| lines.iter().position(is_end)).map_or(lines.len(), |at| at + 1)
}

/// Writes all of it, also to what does not wait itself.
#[expect(clippy::disallowed_methods, reason = "it runs on a thread of its own")]
fn whole(to: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let taken = if bytes.is_empty() { to.flush().map(|()| 0) } else { to.write(bytes) };
        match taken {
            Ok(0) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = &bytes[taken..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN_AFTER),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at most, and every other time none.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => self.taken.write(&bytes[..bytes.len().min(3)]),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_to_what_takes_little_and_does_not_wait() {
        let mut slow = Slow::default();
        whole(&mut slow, b"a line of some length\n").unwrap();
        assert_eq!(slow.taken, b"a line of some length\n");
    }

    #[test]
    fn what_is_written_at_once_ends_with_a_line() {
        assert_eq!(end(b"a\nbc\nd"), 5);
        let long = [vec![b'x'; ENOUGH], b"\ny\n".to_vec()].concat();
        assert_eq!(end(&long), ENOUGH + 1, "a long line is whole");
        assert_eq!(end(b"no end"), 6);
    }
}
