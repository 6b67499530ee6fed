//! A value that is never told.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

use crate::telemetry::redact::REDACTED;

/// A value that neither prints nor stays: `{:?}` and `{}` write `[redacted]`, there is no `Serialize`, and the memory is
/// overwritten when it is dropped. What needs the value asks for it by name: [`expose`](Self::expose).
///
/// ```
/// use hardening_runtime::secret::Secret;
/// let password = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{password:?} {password}"), "[redacted] [redacted]");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize = String>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for where it is used.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether `other` is the same; how long it takes tells nothing but whether their lengths differ.
    pub fn is(&self, other: impl AsRef<[u8]>) -> bool {
        self.0.as_ref().ct_eq(other.as_ref()).into()
    }
}

/// As [`Secret::is`] compares.
impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Read as the value is. What does not fit is said without the value.
impl<'de, T: Zeroize + serde::Deserialize<'de>> serde::Deserialize<'de> for Secret<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hidden = |_| serde::de::Error::custom("this is no value of the secret's form");
        T::deserialize(deserializer).map(Self).map_err(hidden)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_never_told() {
        let secret = Secret::from("hunter2");
        let told = format!("{secret:?} {secret} {:#?} {:>20}", Some(&secret), secret);
        assert!(!told.contains("hunter2") && told.contains("[redacted]"), "{told}");
    }

    #[test]
    fn it_is_overwritten_when_it_is_dropped() {
        static WIPED: AtomicU32 = AtomicU32::new(0);
        struct Key(u32);
        impl Zeroize for Key {
            fn zeroize(&mut self) {
                WIPED.fetch_add(self.0, Ordering::SeqCst);
            }
        }
        drop(Secret::new(Key(7)));
        assert_eq!(WIPED.load(Ordering::SeqCst), 7);
    }

    #[test]
    fn it_is_compared_as_a_whole() {
        let secret = Secret::from("hunter2");
        assert!(secret.is("hunter2") && secret == Secret::from("hunter2"));
        for other in ["hunter3", "hunter", "hunter22", ""] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn it_is_read_as_its_value_and_a_misfit_is_not_told() {
        let read: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert!(read.is("hunter2"));
        let error = serde_json::from_str::<Secret>("424242").unwrap_err().to_string();
        assert!(!error.contains("424242"), "{error}");
    }
}
