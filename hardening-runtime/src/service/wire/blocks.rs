//! Blocks of header fields over HTTP/2 (RFC 9113, section 4.3): one that has begun has to end. While it has not, nothing is known of a
//! request, and all of it is kept.

/// What stands before the payload of a frame: its length, kind, flags and stream.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

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
}

impl Blocks {
    /// Reads on; whether a block is open then, and whether it has begun in what was read.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> (bool, bool) {
        let mut begun = false;
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
            }
            let take = bytes.len().min(self.left);
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                self.have = 0;
                let [_, _, _, kind, flags, ..] = self.head;
                if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
                    self.open = false;
                }
            }
        }
        (self.open, begun)
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
        const DATA: u8 = 0;
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
                    said = blocks.read(part).0;
                }
                assert_eq!(said, open, "{frames:?} by {size}");
            }
        }
    }

    #[test]
    fn one_whose_frame_is_still_on_its_way_is_open() {
        let whole = frame(HEADERS, 4, 20);
        let mut blocks = Blocks::default();
        assert!(!blocks.read(&whole[..8]).0, "its kind may be known, and not that it comes");
        assert_eq!(blocks.read(&whole[8..28]), (true, true));
        assert_eq!(blocks.read(&[&whole[28..], &whole[..10]].concat()), (true, true), "another one");
        assert_eq!(blocks.read(&whole[10..12]), (true, false));
    }
}
