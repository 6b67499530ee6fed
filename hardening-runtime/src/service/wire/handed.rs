//! What of answers was handed to the machinery of HTTP/2 and is not on its way yet. It keeps a piece until the client has room for
//! it, and a client may have room for a single byte: the piece is in memory though its stream's task is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::clock::{self, Nanos};

/// The pieces of one connection.
#[derive(Debug, Default)]
pub(crate) struct Handed(Mutex<Pieces>);

#[derive(Debug, Default)]
struct Pieces {
    last: u64,
    bytes: u64,
    /// Since when each is there, the oldest first.
    since: BTreeMap<u64, Nanos>,
}

/// One piece; it is dropped once it is on its way, or its stream is no more.
struct Piece {
    bytes: Bytes,
    number: u64,
    handed: Arc<Handed>,
}

impl Handed {
    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a piece over.
    pub(crate) fn over(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let mut pieces = self.pieces();
        pieces.last += 1;
        let number = pieces.last;
        pieces.bytes += bytes.len() as u64;
        pieces.since.insert(number, clock::now());
        drop(pieces);
        Bytes::from_owner(Piece { bytes, number, handed: Arc::clone(self) })
    }

    /// How many bytes are there, and since when the oldest.
    pub(crate) fn held(&self) -> Option<(u64, Nanos)> {
        let pieces = self.pieces();
        pieces.since.first_key_value().map(|(_, since)| (pieces.bytes, *since))
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut pieces = self.handed.pieces();
        pieces.since.remove(&self.number);
        pieces.bytes -= self.bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_piece_is_there_until_the_last_part_of_it_is_gone() {
        let handed = Arc::new(Handed::default());
        assert_eq!(handed.held(), None);
        let first = clock::now();
        let mut one = handed.over(Bytes::from_static(b"twelve bytes"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let other = handed.over(Bytes::from_static(b"more"));
        assert_eq!(handed.held(), Some((16, first)));
        let part = one.split_to(3);
        drop(one);
        assert_eq!((&*part, handed.held()), (&b"twe"[..], Some((16, first))));
        drop(part);
        assert_eq!(handed.held(), Some((4, first + 1_000_000_000)));
        drop(other);
        assert_eq!(handed.held(), None);
    }
}
