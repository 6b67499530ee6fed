//! The rules on what keeps answers.

use std::time::Duration;

use super::Rules;
use crate::units::show;
use crate::{CacheSpec, IdempotentSpec};

/// What an entry of a cache counts beside its value, and the bytes below which a bound is hardly meant.
const ENTRY: u64 = 128;
const LEAST_BYTES: u64 = 1024;

impl Rules<'_> {
    pub(super) fn idempotent(&mut self, idempotent: &IdempotentSpec) {
        self.error(idempotent.ttl.is_zero() && self.known("ttl"), "ttl", || {
            "an answer that is kept for no time is never given again: write a duration above 0".into()
        });
        self.error(idempotent.max_keys == 0, "max_keys", || {
            "room for no key refuses every request: write at least 1".into()
        });
        self.error(idempotent.max_bytes == Some(0), "max_bytes", || {
            "room for no byte refuses every request: write at least 1".into()
        });
        let Some(lease) = idempotent.lease.filter(|_| self.known("lease")) else { return };
        self.error(lease.is_zero(), "lease", || {
            "a lease of no time has lapsed before its run begins, so a request that is sent again is run beside it: \
             write a duration above 0"
                .into()
        });
        self.warning(!lease.is_zero() && lease < Duration::from_secs(1), "lease", || {
            format!(
                "a run that is held up for {} loses its key, and a request that is sent again is run beside it: \
                 1s or more outlasts a busy moment",
                show(lease)
            )
        });
    }

    pub(super) fn cached(&mut self, cache: &CacheSpec) {
        let CacheSpec { ttl, max_entries, max_bytes, jitter, refresh_timeout, negative, .. } = *cache;
        let kept = negative.filter(|_| self.known("negative"));
        self.error(kept.is_some_and(|kept| kept.is_zero()), "negative", || {
            "an error that is kept for no time is never served: write a duration above 0".into()
        });
        self.warning(
            kept.is_some_and(|kept| !kept.is_zero() && kept > ttl) && self.known("ttl"),
            "negative",
            || {
                let (kept, ttl) = (show(kept.unwrap_or_default()), show(ttl));
                format!("an error is kept for {kept}, longer than a result: {ttl}")
            },
        );
        self.error(ttl.is_zero() && self.known("ttl"), "ttl", || {
            "a result that is fresh for no time is never served: write a duration above 0".into()
        });
        self.error(max_entries == 0, "max_entries", || {
            "a cache of no entries holds nothing: write at least 1".into()
        });
        self.error(max_bytes == Some(0), "max_bytes", || {
            "a cache of no bytes holds nothing: write at least 1".into()
        });
        self.warning(max_bytes.is_some_and(|bytes| (1..LEAST_BYTES).contains(&bytes)), "max_bytes", || {
            let bytes = max_bytes.unwrap_or_default();
            format!(
                "a cache of {bytes} bytes holds next to nothing, since each entry counts {ENTRY} beside its value: write at least \
                 {LEAST_BYTES}"
            )
        });
        self.error(jitter.millionths > 500_000, "jitter", || {
            "a `ttl` spread by more than half says little: write at most 50%".into()
        });
        self.error(refresh_timeout.is_zero() && self.known("refresh_timeout"), "refresh_timeout", || {
            "a load that may take no time never ends: write a duration above 0".into()
        });
    }
}
