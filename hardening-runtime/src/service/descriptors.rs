//! File descriptors: as many as the system allows, and no more places for connections than there are descriptors.
//!
//! A service that has more places than descriptors accepts until none is left, and then neither a scrape is answered nor
//! a connection made elsewhere. So the places are cut at the start: to what is left beside the descriptors that are open
//! already, those of the admin listener, and a part for everything else that the program opens.

use std::fs::File;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use crate::clock;
use crate::once_a_minute::OnceAMinute;

/// One descriptor in so many is for connections to elsewhere and for files, but never fewer than [`FEWEST_OTHERS`].
const FOR_OTHERS: u64 = 4;
const FEWEST_OTHERS: u64 = 32;
/// The admin listener has at most one in so many, or as many as the fewest places need.
const FOR_ADMIN: u64 = 8;
/// What is taken to be open where the system does not say.
const GUESS: u64 = 64;
/// How many new connections are answered 503 at the same time.
const TURNED_AWAY: u64 = 64;
/// Fewer places than this are no service.
const FEWEST: u32 = 4;

/// How many descriptors the admin listener holds for the time when there are no others.
pub(crate) const SPARE: usize = 4;

/// The first pause after a connection could not be accepted, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Places of both listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) public: u32,
    pub(crate) admin: u32,
}

/// Raises the soft limit of open files to the hard one.
///
/// # Errors
/// One sentence, where the system refuses.
#[cfg(unix)]
pub(crate) fn raise() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // What macOS takes where the hard limit is none.
    const OPEN_MAX: u64 = 10_240;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(before) = current.filter(|current| maximum.is_none_or(|maximum| *current < maximum)) else {
        return Ok(());
    };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).or_else(|error| {
        let current = OPEN_MAX.min(maximum.unwrap_or(OPEN_MAX));
        if current <= before {
            return Err(error);
        }
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum })
    });
    raised.map_err(|error| format!("the limit of {before} open files cannot be raised: {error}"))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the other platforms' signature")]
pub(crate) fn raise() -> Result<(), String> {
    Ok(())
}

/// The soft limit; `None` where there is none.
fn limit() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    return None;
}

/// How many are open now.
fn open() -> u64 {
    // The look itself holds one of them.
    std::fs::read_dir("/dev/fd").map_or(GUESS, |open| (open.count() as u64).saturating_sub(1))
}

/// The wanted places, cut to the descriptors that are left; logs a warning where they are cut.
/// `closing` descriptors are about to be free again.
///
/// # Errors
/// With what to change where hardly any are left.
pub(crate) fn seats(wanted: Seats, closing: u64) -> Result<Seats, String> {
    let Some(limit) = limit() else { return Ok(wanted) };
    let open = open().saturating_sub(closing);
    let seats = cut(wanted, limit.saturating_sub(open + SPARE as u64));
    if seats.public < wanted.public.min(FEWEST) || seats.admin == 0 {
        return Err(format!(
            "the limit of {limit} open files leaves no room for connections, since {open} are open already: raise it with \
             `ulimit -n`, `LimitNOFILE=` or `--ulimit nofile=`"
        ));
    }
    if seats != wanted {
        tracing::warn!(
            limit,
            open,
            connections = seats.public,
            admin_connections = seats.admin,
            "fewer connections are accepted than `http.connections` = {} and `http.admin_connections` = {} say, since open \
             files are limited: raise the limit with `ulimit -n`, `LimitNOFILE=` or `--ulimit nofile=`, or lower the settings",
            wanted.public,
            wanted.admin,
        );
    }
    Ok(seats)
}

/// The places that `left` descriptors are enough for.
fn cut(wanted: Seats, left: u64) -> Seats {
    let others = (left / FOR_OTHERS).max(FEWEST_OTHERS).min(left);
    let admin = most(wanted.admin, (left / FOR_ADMIN).max(sockets(FEWEST)).min(left - others));
    let public = most(wanted.public, left.saturating_sub(others + sockets(admin)));
    Seats { public, admin }
}

/// The most of the places wanted whose sockets fit.
fn most(wanted: u32, left: u64) -> u32 {
    if sockets(wanted) <= left {
        return wanted;
    }
    let fits = |places: &u32| sockets(*places) <= left;
    let about = u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
    let (mut fine, mut many) = (0, about.saturating_add(1));
    while many - fine > 1 {
        let middle = fine + (many - fine) / 2;
        if fits(&middle) { fine = middle } else { many = middle }
    }
    fine
}

/// How many newcomers a listener of so many places turns away at once.
pub(crate) fn turned_away(places: u32) -> usize {
    (u64::from(places) / 4).clamp(4, TURNED_AWAY) as usize
}

/// The sockets of so many places, with those of connections that give way and of newcomers that are turned away.
fn sockets(places: u32) -> u64 {
    if places == 0 {
        return 0;
    }
    u64::from(places) + super::places::leaving_at_most(places as usize) as u64 + turned_away(places) as u64
}

/// Descriptors that are held for the time when there are no others: whatever the program opens, the admin listener can
/// accept a few connections.
#[derive(Debug)]
pub(crate) struct Spare {
    held: Vec<File>,
    most: usize,
}

impl Spare {
    /// Holds as many as this, where the system gives them.
    pub(crate) fn new(most: usize) -> Self {
        let mut spare = Self { held: Vec::new(), most };
        spare.refill();
        spare
    }

    /// Gives one back to the system; false where none is left.
    pub(crate) fn give(&mut self) -> bool {
        self.held.pop().is_some()
    }

    /// Runs `accept`. While it waits, the spare descriptors that were given away are opened again, before anything else can take
    /// them.
    pub(crate) async fn kept_full<T>(&mut self, accept: impl Future<Output = T>) -> T {
        let mut accept = pin!(accept);
        poll_fn(|cx| {
            let polled = accept.as_mut().poll(cx);
            if polled.is_pending() {
                self.refill();
            }
            polled
        })
        .await
    }

    fn refill(&mut self) {
        while self.held.len() < self.most {
            let Ok(file) = File::open("/dev/null") else { return };
            self.held.push(file);
        }
    }
}

/// What follows when connections cannot be accepted: a pause that grows, and a line a minute.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pause: Option<Duration>,
    failures: u64,
    said: OnceAMinute,
}

impl Backoff {
    /// One was accepted.
    pub(crate) fn accepted(&mut self) {
        self.pause = None;
    }

    /// One could not be: the pause that is due.
    pub(crate) fn failed(&mut self, error: &std::io::Error, listener: &'static str) -> Duration {
        self.failures += 1;
        if self.said.is_due(clock::now()) {
            let failures = std::mem::take(&mut self.failures);
            tracing::error!(%error, listener, failures, "cannot accept connections");
        }
        let pause = self.pause.map_or(FIRST_PAUSE, |before| (before * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_cut_to_the_descriptors_that_are_left() {
        let wanted = Seats { public: 10_000, admin: 100 };
        for (left, public, admin) in [(100_000, 10_000, 100), (16_000, 10_000, 100)] {
            assert_eq!(cut(wanted, left), Seats { public, admin }, "{left}");
        }
        for left in [100, 200, 1000, 4000, 12_000] {
            let seats = cut(wanted, left);
            let others = left - sockets(seats.public) - sockets(seats.admin);
            assert!(
                others >= (left / FOR_OTHERS).max(FEWEST_OTHERS),
                "{left}: {seats:?} and {others} others"
            );
            assert!(seats.public >= FEWEST && seats.admin > 0, "{left}: {seats:?}");
        }
        assert_eq!(cut(wanted, 10), Seats { public: 0, admin: 0 });
        assert_eq!(cut(Seats { public: 5, admin: 2 }, 1000), Seats { public: 5, admin: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_second_and_begin_anew_once_one_is_accepted() {
        let mut backoff = Backoff::default();
        let error = std::io::Error::other("none left");
        let pauses: Vec<_> = (0..9).map(|_| backoff.failed(&error, "public").as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.failures, 8, "one line in a minute");
        tokio::time::advance(Duration::from_mins(1)).await;
        backoff.failed(&error, "public");
        assert_eq!(backoff.failures, 0);
        backoff.accepted();
        assert_eq!(backoff.failed(&error, "public"), FIRST_PAUSE);
    }
}
