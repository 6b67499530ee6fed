//! What comes over HTTP/2 beside requests. A block of header fields (RFC 9113, section 4.3) that has begun has to end: while it has
//! not, nothing is known of a request, and all of it is kept. Frames that are no part of any request cost time and bring nothing, so
//! there may be only so many of them: a bucket that time and work fill again.
//!
//! Honest clients send such frames for the work that they have done. Clients of gRPC in Go and Java measure the line: for a DATA frame
//! that comes while no such ping is out they send a PING (17 bytes) and open the window of the connection (13 bytes); others open that
//! of the stream as well. Browsers send a PRIORITY (14 bytes) with a request, and whoever takes one back an `RST_STREAM` (13 bytes), Go
//! with a PING. A small message is therefore worth more such bytes than it has itself, and each step of a request counts, whatever its
//! size. What counts is what the service has handed over, and not the DATA frames that were sent of it: a client that opens a window
//! byte by byte would earn one for each.

use crate::clock::Nanos;

/// What stands before the payload of a frame: its length, kind, flags and stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// So many bytes of frames that are no part of a request may come at once, and so many more in each second: for windows of long
/// answers, pings and settings that is a hundred times what clients send.
const IDLE_AT_ONCE: u64 = 1 << 20;
const IDLE_PER_SECOND: u64 = 16 << 10;
/// Of what is part of requests, one byte in so many may be answered with such frames.
const SHARE: u64 = 8;
/// What a step of a request earns, in bytes that pass: two windows, a PING and a PRIORITY are 57 bytes.
pub(super) const STEP: u64 = 64 * SHARE;

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
    /// Reads on. Since the last time so much was `earned`: a byte by each that was sent, and [`STEP`] by each step of a request.
    pub(super) fn read(&mut self, mut bytes: &[u8], earned: u64, now: Nanos) -> Saw {
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
                if !self.is_of_a_request() || self.brings_nothing() {
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
        let due = all.saturating_sub(idle).saturating_add(earned) / SHARE;
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

    /// Whether it is a DATA frame that may be empty and does not end its stream. One with padding may be: as long as nobody pads bytes
    /// of bodies one by one, what it holds is worth more than its head.
    fn brings_nothing(&self) -> bool {
        let [_, _, _, kind, flags, ..] = self.head;
        kind == DATA && flags & END_STREAM == 0 && (self.left == 0 || flags & PADDED != 0)
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
    fn data_frames_without_data_are_no_part_of_a_request_but_for_the_last() {
        for (flags, length, floods) in
            [(0, 0, true), (PADDED, 1, true), (PADDED, 9, true), (END_STREAM, 0, false), (0, 1, false)]
        {
            let frames = frame(DATA, flags, length).repeat(1000);
            let mut blocks = Blocks::default();
            let flooded = (0..200).any(|_| blocks.read(&frames, 0, 0).floods);
            assert_eq!(flooded, floods, "{flags} {length}");
        }
        let mut padded = Blocks::default();
        let upload = frame(DATA, PADDED, 16_384);
        assert!((0..200_000).all(|_| !padded.read(&upload, 0, 0).floods));
    }

    #[test]
    fn what_clients_say_to_small_messages_floods_nothing() {
        let (window, ping, priority, reset) =
            (frame(WINDOW_UPDATE, 0, 4), frame(6, 0, 8), frame(PRIORITY, 0, 5), frame(3, 0, 4));
        let message = frame(DATA, 0, 9);
        let bdp = [&ping[..], &window].concat();
        // What comes with each exchange, and what is sent in it; an exchange of one stream is one step, a call of its own has three.
        let streams = [&message[..], &bdp, &window].concat();
        let calls = [&frame(HEADERS, 4, 9)[..], &message, &priority, &bdp, &window, &reset, &ping].concat();
        for (comes, sent, steps) in [(bdp, 14, 1), (streams, 18, 1), (calls, 60, 3)] {
            let mut blocks = Blocks::default();
            // Ten thousand a second, for a minute and without one.
            for at in 0..600_000 {
                assert!(!blocks.read(&comes, sent + steps * STEP, at * SECOND / 10_000).floods, "{at}");
            }
            let mut blocks = Blocks::default();
            assert!((0..600_000).all(|_| !blocks.read(&comes, sent + steps * STEP, 0).floods));
        }
    }

    #[test]
    fn what_is_sent_in_answer_to_a_flood_earns_it_nothing() {
        let ping = frame(6, 0, 8).repeat(100);
        let mut blocks = Blocks::default();
        // Each is answered with one, and one byte of an answer goes out for each window of one.
        assert!((0..1000).any(|_| blocks.read(&ping, 1700, 0).floods));
        let (mut windows, window) = (Blocks::default(), frame(WINDOW_UPDATE, 0, 4));
        assert!((0..200_000).any(|_| windows.read(&window, 10, 0).floods));
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
