//! What comes over HTTP/2 beside requests. A block of header fields (RFC 9113, section 4.3) that has begun has to end: while it has
//! not, nothing is known of a request, and all of it is kept. Frames that are no part of any request cost time and bring nothing, so
//! there may be only so many of them.

use crate::clock::Nanos;

/// What stands before the payload of a frame: its length, kind, flags and stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// So many bytes of frames that are no part of a request may come at once, and so many more in each second: for windows of long
/// answers, pings and settings that is a hundred times what clients send.
const IDLE_AT_ONCE: u64 = 1 << 20;
const IDLE_PER_SECOND: u64 = 16 << 10;
/// Of what is part of requests, one byte in so many may be answered with such frames.
const SHARE: u64 = 8;

/// Where in its frames a client is.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    head: [u8; HEAD],
    /// How much of the head has come.
    have: usize,
    /// How much of the payload is to come.
    left: usize,
    /// A block has begun and not ended.
    open: bool,
    /// How many bytes of frames that are no part of a request have come, less what was due to them, and when that was.
    idle: u64,
    since: Nanos,
}

/// What a client has sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Saw {
    /// A block is open.
    pub(super) open: bool,
    /// It has begun in what was read.
    pub(super) begun: bool,
    /// There are too many frames that are no part of a request.
    pub(super) floods: bool,
}

impl Blocks {
    /// Reads on. Since the last time so many bytes were `sent`.
    pub(super) fn read(&mut self, mut bytes: &[u8], sent: u64, now: Nanos) -> Saw {
        let all = bytes.len() as u64;
        let (mut begun, mut idle) = (false, 0);
        while !bytes.is_empty() {
            if self.have < HEAD {
                let take = bytes.len().min(HEAD - self.have);
                self.head[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < HEAD {
                    break;
                }
                let [a, b, c, kind, ..] = self.head;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                if kind == HEADERS {
                    (self.open, begun) = (true, true);
                }
                if !self.is_of_a_request() {
                    idle += HEAD as u64;
                }
            }
            let take = bytes.len().min(self.left);
            self.left -= take;
            bytes = &bytes[take..];
            if !self.is_of_a_request() {
                idle += take as u64;
            }
            if self.left == 0 {
                self.have = 0;
                let [_, _, _, kind, flags, ..] = self.head;
                if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
                    self.open = false;
                }
            }
        }
        let due = all.saturating_sub(idle).saturating_add(sent) / SHARE;
        let in_time = now.saturating_sub(self.since).saturating_mul(IDLE_PER_SECOND) / 1_000_000_000;
        if in_time > 0 {
            self.since = now;
        }
        self.idle = self.idle.saturating_sub(due.saturating_add(in_time)).saturating_add(idle);
        Saw { open: self.open, begun, floods: self.idle > IDLE_AT_ONCE }
    }

    /// Whether the frame whose head has come is part of one.
    fn is_of_a_request(&self) -> bool {
        matches!(self.head[3], DATA | HEADERS | CONTINUATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1][..], &vec![0xff; length]].concat()
    }

    #[test]
    fn a_block_is_open_until_its_end_however_the_bytes_come() {
        type Frame = (u8, u8, usize);
        let stories: [(&[Frame], bool); 7] = [
            (&[], false),
            (&[(HEADERS, 4, 20)], false),
            (&[(HEADERS, 5, 0)], false),
            (&[(4, 0, 6), (DATA, 4, 1000), (8, 0, 4)], false),
            (&[(HEADERS, 0, 20)], true),
            (&[(HEADERS, 1, 20), (CONTINUATION, 0, 0), (CONTINUATION, 0, 70_000)], true),
            (&[(HEADERS, 0, 20), (CONTINUATION, 0, 9), (CONTINUATION, 4, 1), (DATA, 0, 5)], false),
        ];
        for (frames, open) in stories {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            for size in [1, 2, 8, 9, 10, 13, 100_000] {
                let mut blocks = Blocks::default();
                let mut said = false;
                for part in bytes.chunks(size) {
                    said = blocks.read(part, 0, 0).open;
                }
                assert_eq!(said, open, "{frames:?} by {size}");
            }
        }
    }

    #[test]
    fn one_whose_frame_is_still_on_its_way_is_open() {
        let whole = frame(HEADERS, 4, 20);
        let mut blocks = Blocks::default();
        let mut read = |bytes: &[u8]| {
            let saw = blocks.read(bytes, 0, 0);
            (saw.open, saw.begun)
        };
        assert_eq!(read(&whole[..8]), (false, false), "its kind may be known, and not that it comes");
        assert_eq!(read(&whole[8..28]), (true, true));
        assert_eq!(read(&[&whole[28..], &whole[..10]].concat()), (true, true), "another one");
        assert_eq!(read(&whole[10..12]), (true, false));
    }

    const SECOND: Nanos = 1_000_000_000;
    const PRIORITY: u8 = 2;
    const WINDOW_UPDATE: u8 = 8;

    #[test]
    fn frames_that_are_no_part_of_a_request_are_bounded() {
        let priority = frame(PRIORITY, 0, 5).repeat(1000);
        let mut blocks = Blocks::default();
        let calm = (0..74).all(|_| !blocks.read(&priority, 0, 0).floods);
        assert!(calm && blocks.read(&priority, 0, 0).floods, "a megabyte of them is enough");
        // In time there may be more.
        let mut slow = Blocks::default();
        assert!((0..1000).all(|second| !slow.read(&priority, 0, second * SECOND).floods));
        assert!((0..100).all(|at| !Blocks::default().read(&priority, 0, at).floods));
    }

    #[test]
    fn whoever_makes_use_of_a_connection_floods_nothing() {
        let (window, data) = (frame(WINDOW_UPDATE, 0, 4), frame(DATA, 0, 16_384));
        let (mut downloads, mut uploads) = (Blocks::default(), Blocks::default());
        for _ in 0..200_000 {
            // A window for each kilobyte that was sent.
            assert!(!downloads.read(&window, 1024, 0).floods);
        }
        for _ in 0..2_000 {
            assert!(!uploads.read(&[&data[..], &window.repeat(100)].concat(), 0, 0).floods);
        }
    }
}
