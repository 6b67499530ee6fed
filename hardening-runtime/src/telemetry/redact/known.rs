//! Names and values that were told to the filter.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::REDACTED;
use super::encoded::Encoded;
use super::escaped::Reading;

/// How many values that nobody pinned are looked for; the one that was told the longest ago is forgotten first.
const MOST: usize = 64;

/// How many values of settings are looked for. Each load tells all of its own again, so that those in force are the newest and
/// only those of earlier loads are forgotten.
const MOST_OF_SETTINGS: usize = 1024;

/// A list that is mostly empty, and read without a lock while it is.
struct List<T> {
    any: AtomicBool,
    list: RwLock<Vec<T>>,
}

impl<T> List<T> {
    const fn new() -> Self {
        Self { any: AtomicBool::new(false), list: RwLock::new(Vec::new()) }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<T>> {
        self.any.store(true, Ordering::Release);
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Option<RwLockReadGuard<'_, Vec<T>>> {
        let any = self.any.load(Ordering::Acquire);
        any.then(|| self.list.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Names of secrets. They come from settings, so that there are few.
pub(super) struct Names {
    list: List<Box<str>>,
    /// How many there are; whoever sees one more finds it in the list.
    count: AtomicUsize,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self { list: List::new(), count: AtomicUsize::new(0) }
    }

    pub(super) fn add(&self, name: &str) {
        let mut list = self.list.write();
        if !list.iter().any(|known| **known == *name) {
            list.push(name.into());
            self.count.store(list.len(), Ordering::Release);
        }
    }

    #[cfg(feature = "service")]
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        self.list.read().is_some_and(|list| list.iter().any(|name| is(name)))
    }
}

/// A value, how many pins hold it, and whether a setting is or was this.
struct Value {
    text: Box<str>,
    pins: usize,
    of_setting: bool,
}

/// Values of secrets.
pub(super) struct Values {
    list: List<Value>,
    /// The same as others encode them; changed while the list is written.
    encoded: RwLock<Encoded>,
}

impl Values {
    pub(super) const fn new() -> Self {
        Self { list: List::new(), encoded: RwLock::new(Encoded::new()) }
    }

    pub(super) fn remember(&self, text: &str) {
        self.change(text, |_| ());
    }

    /// As [`Values::remember`], for what a setting is.
    #[cfg(feature = "service")]
    pub(super) fn keep(&self, text: &str) {
        self.change(text, |value| value.of_setting = true);
    }

    #[cfg(test)]
    pub(super) fn is_pinned(&self, text: &str) -> bool {
        self.list.read().is_some_and(|list| list.iter().any(|value| *value.text == *text && value.pins > 0))
    }

    /// Makes `text` the newest, and changes what is known of it.
    fn change(&self, text: &str, change: impl FnOnce(&mut Value)) {
        let mut list = self.list.write();
        let mut encoded = self.encoded.write().unwrap_or_else(PoisonError::into_inner);
        let known = list.iter().position(|value| *value.text == *text);
        let mut value = if let Some(at) = known {
            list.remove(at)
        } else {
            encoded.add(text);
            Value { text: text.into(), pins: 0, of_setting: false }
        };
        change(&mut value);
        list.push(value);
        for (of_setting, most) in [(false, MOST), (true, MOST_OF_SETTINGS)] {
            let unpinned = |value: &Value| value.pins == 0 && value.of_setting == of_setting;
            if list.iter().filter(|value| unpinned(value)).count() > most
                && let Some(oldest) = list.iter().position(unpinned)
            {
                encoded.remove(&list.remove(oldest).text);
            }
        }
    }

    /// `text` without the values, if any of them is in it, escaped, encoded or neither.
    pub(super) fn without(&self, text: &str) -> Option<String> {
        let list = self.list.read()?;
        let encoded = self.encoded.read().unwrap_or_else(PoisonError::into_inner);
        let values = || list.iter().map(|value| &*value.text);
        let mut found: Vec<Range<usize>> = Vec::new();
        for value in values() {
            found.extend(text.match_indices(value).map(|(at, value)| at..at + value.len()));
        }
        encoded.find(text.as_bytes(), |range| found.push(range));
        let blanks = values().any(|value| value.contains(' '));
        Reading::each(text, blanks, |reading| {
            for value in values() {
                found.extend(reading.find(value));
            }
            encoded.find(reading.bytes(), |range| found.push(reading.written(range)));
        });
        // A longer one may hold a shorter one, or end within another.
        found.sort_unstable_by_key(|range| (range.start, Reverse(range.end)));
        let (mut out, mut told) = (String::new(), 0);
        for range in &found {
            if range.start >= told {
                out.push_str(&text[told..range.start]);
                out.push_str(REDACTED);
            }
            told = told.max(range.end);
        }
        (!found.is_empty()).then(|| out + &text[told..])
    }
}

/// Keeps a value from being forgotten while it lives. There are as many as handles of secrets, and those come from the settings.
#[cfg(feature = "service")]
pub(crate) struct Pin {
    values: &'static Values,
    value: Box<str>,
}

#[cfg(feature = "service")]
impl Pin {
    pub(super) fn new(values: &'static Values, value: &str) -> Self {
        values.change(value, |value| value.pins += 1);
        Self { values, value: value.into() }
    }
}

#[cfg(feature = "service")]
impl Drop for Pin {
    fn drop(&mut self) {
        // What is in force no longer may still stand in answers and errors that are on their way.
        self.values.change(&self.value, |value| value.pins = value.pins.saturating_sub(1));
    }
}

#[cfg(feature = "service")]
impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}
