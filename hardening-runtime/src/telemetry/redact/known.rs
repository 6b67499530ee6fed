//! Names and values that were told to the filter.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::REDACTED;

/// How many values that nobody pinned are looked for; the one that was told the longest ago is forgotten first.
const MOST: usize = 64;

/// Pins of a value that is never forgotten: more than are ever dropped.
const FOR_EVER: usize = usize::MAX / 2;

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
pub(super) struct Names(List<Box<str>>);

impl Names {
    pub(super) const fn new() -> Self {
        Self(List::new())
    }

    pub(super) fn add(&self, name: &str) {
        let mut list = self.0.write();
        if !list.iter().any(|known| **known == *name) {
            list.push(name.into());
        }
    }

    pub(super) fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        self.0.read().is_some_and(|list| list.iter().any(|name| is(name)))
    }
}

/// A value, and how many pins hold it.
struct Value {
    text: Box<str>,
    pins: usize,
}

/// Values of secrets.
pub(super) struct Values(List<Value>);

impl Values {
    pub(super) const fn new() -> Self {
        Self(List::new())
    }

    pub(super) fn remember(&self, text: &str) {
        self.change(text, |pins| pins);
    }

    /// Each change of a setting adds one, so that there are few.
    pub(super) fn keep(&self, text: &str) {
        self.change(text, |pins| pins.max(FOR_EVER));
    }

    #[cfg(test)]
    pub(super) fn is_pinned(&self, text: &str) -> bool {
        self.0.read().is_some_and(|list| list.iter().any(|value| *value.text == *text && value.pins > 0))
    }

    /// Makes `text` the newest, and changes its pins.
    fn change(&self, text: &str, pins: impl FnOnce(usize) -> usize) {
        let mut list = self.0.write();
        let known = list.iter().position(|value| *value.text == *text);
        let mut value = match known {
            Some(at) => list.remove(at),
            None => Value { text: text.into(), pins: 0 },
        };
        value.pins = pins(value.pins);
        list.push(value);
        let unpinned = || list.iter().enumerate().filter(|(_, value)| value.pins == 0);
        if unpinned().count() > MOST
            && let Some((oldest, _)) = unpinned().next()
        {
            list.remove(oldest);
        }
    }

    /// `text` without the values, if any of them is in it.
    pub(super) fn without(&self, text: &str) -> Option<String> {
        let list = self.0.read()?;
        let mut found: Vec<&str> =
            list.iter().map(|value| &*value.text).filter(|value| text.contains(value)).collect();
        // A longer one may hold a shorter one.
        found.sort_unstable_by_key(|value| Reverse(value.len()));
        let mut out: Option<String> = None;
        for value in found {
            out = Some(out.as_deref().unwrap_or(text).replace(value, REDACTED));
        }
        out
    }
}

/// Keeps a value from being forgotten while it lives.
pub(crate) struct Pin {
    values: &'static Values,
    forms: Vec<Box<str>>,
}

impl Pin {
    pub(super) fn new(values: &'static Values, forms: Vec<Box<str>>) -> Self {
        for form in &forms {
            values.change(form, |pins| pins + 1);
        }
        Self { values, forms }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // What is in force no longer may still stand in answers and errors that are on their way.
        for form in &self.forms {
            self.values.change(form, |pins| pins.saturating_sub(1));
        }
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}
