//! Where one who writes WebSocket frames stands among them (RFC 6455, section 5.2).

/// The opcode of a frame that closes.
const CLOSE: u8 = 8;
/// The bit of the last frame of a message.
const FIN: u8 = 0x80;
/// The longest head: two bytes, a length of eight, a mask of four.
const LONGEST: usize = 14;

/// The frames of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The head that is on its way, and how much of it has come.
    head: [u8; LONGEST],
    came: usize,
    /// What is to come of the payload.
    rest: u64,
    /// Whether the frame on its way closes, and whether one has closed.
    closes: bool,
    closed: bool,
    /// The size of the message on its way, as far as the heads of its frames say.
    message: u64,
    /// How many messages have begun, which of them is on its way, and whether the frame on its way ends it.
    begun: u64,
    on_its_way: Option<u64>,
    ends: bool,
    /// How many frames have come that bring no message further.
    idle: u64,
}

impl Frames {
    /// Whether the last frame has ended.
    pub(super) fn is_between(&self) -> bool {
        self.came == 0 && self.rest == 0
    }

    /// Whether a frame has closed.
    pub(super) fn has_closed(&self) -> bool {
        self.closed
    }

    /// The size of the message on its way, with all of the frame that has begun; between two, that of the last one.
    pub(super) fn message(&self) -> u64 {
        self.message
    }

    /// Which message is on its way: the head of its first frame has come, and some of it has not. Frames that stand between its own
    /// neither begin nor end it.
    pub(super) fn on_its_way(&self) -> Option<u64> {
        self.on_its_way
    }

    /// How much has come of the message on its way.
    pub(super) fn came(&self) -> u64 {
        self.on_its_way.map_or(0, |_| self.message.saturating_sub(self.rest))
    }

    /// How many frames have come that bring no message further: pings and the like, and fragments without data but the last.
    pub(super) fn idle(&self) -> u64 {
        self.idle
    }

    /// Follows all of these bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let mut passed = 0;
        while passed < bytes.len() {
            passed += self.pass_one(&bytes[passed..]);
        }
    }

    /// Follows these bytes to the end of the frame on its way, or of the next one, and answers how many they were.
    pub(super) fn pass_one(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while self.rest == 0 {
            let Some(byte) = bytes.get(passed) else { return passed };
            self.head[self.came] = *byte;
            (self.came, passed) = (self.came + 1, passed + 1);
            if let Some(length) = length(&self.head[..self.came]) {
                let opcode = self.head[0] & 0x0F;
                self.closes = opcode == CLOSE;
                // Those from 8 on stand between the frames of a message, and are small.
                self.message = match opcode {
                    0 => self.message.saturating_add(length),
                    1..CLOSE => length,
                    _ => self.message,
                };
                let last = self.head[0] & FIN != 0;
                self.idle += u64::from(opcode >= CLOSE || (length == 0 && !last));
                if opcode < CLOSE {
                    self.begun += u64::from(self.on_its_way.is_none());
                    (self.on_its_way, self.ends) = (Some(self.begun), last);
                }
                (self.came, self.rest) = (0, length);
                if length == 0 {
                    self.ended();
                    return passed;
                }
            }
        }
        let more = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len() - passed);
        self.rest -= more as u64;
        if self.rest == 0 {
            self.ended();
        }
        passed + more
    }

    fn ended(&mut self) {
        self.closed |= std::mem::take(&mut self.closes);
        if std::mem::take(&mut self.ends) {
            self.on_its_way = None;
        }
    }
}

/// The length of the payload, once all of the head has come.
fn length(head: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = head else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if rest.len() < extended + mask {
        return None;
    }
    Some(match extended {
        0 => u64::from(second & 0x7F),
        _ => rest[..extended].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | length as u8),
            126..65_536 => {
                frame.push(mask | 0x7E);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7F);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, length + if masked { 4 } else { 0 }));
        frame
    }

    #[test]
    fn frames_of_every_length_end_where_they_end() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
                let one = frame(2, length, masked);
                let two = [one.clone(), frame(1, 3, masked)].concat();
                // However the bytes are cut.
                for piece in [1, 2, 3, 7, 1000, two.len()] {
                    let (mut frames, mut ends, mut at) = (Frames::default(), Vec::new(), 0);
                    for bytes in two.chunks(piece) {
                        let mut passed = 0;
                        while passed < bytes.len() {
                            let more = frames.pass_one(&bytes[passed..]);
                            assert!(more > 0);
                            passed += more;
                            if frames.is_between() {
                                ends.push(at + passed);
                            }
                        }
                        at += bytes.len();
                    }
                    assert_eq!(
                        ends,
                        [one.len(), two.len()],
                        "{length} in pieces of {piece}, masked: {masked}"
                    );
                    assert!(!frames.has_closed());
                }
            }
        }
    }

    #[test]
    fn a_message_is_as_large_as_its_frames() {
        let part = |first: u8, length: usize| {
            let mut part = frame(0, length, true);
            part[0] = first;
            part
        };
        let mut frames = Frames::default();
        for (bytes, message) in [
            (part(0x81, 100), 100),
            (part(0x01, 70_000), 70_000),
            (part(0x89, 5), 70_000),
            (part(0x00, 10), 70_010),
            (part(0x80, 0), 70_010),
            (part(0x82, 3), 3),
        ] {
            frames.pass(&bytes);
            assert_eq!(frames.message(), message);
        }
        // It is known before any of it has come.
        frames.pass(&[0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(frames.message(), 1 << 32);
        frames.pass(&[0; 10]);
        assert!(!frames.is_between());
    }

    #[test]
    fn a_message_is_on_its_way_from_its_first_head_to_its_last_byte() {
        let part = |first: u8, length: usize| {
            let mut part = frame(0, length, true);
            part[0] = first;
            part
        };
        let mut frames = Frames::default();
        for (bytes, on_its_way) in [
            (&part(0x81, 100)[..], None),
            // Half a head, the rest of it, and all but one byte.
            (&part(0x02, 300)[..5], None),
            (&part(0x02, 300)[5..8], Some(2)),
            (&part(0x02, 300)[8..307], Some(2)),
            (&part(0x02, 300)[307..], Some(2)),
            (&part(0x89, 5), Some(2)),
            (&part(0x89, 0), Some(2)),
            (&part(0x00, 0), Some(2)),
            (&part(0x80, 10)[..15], Some(2)),
            (&part(0x80, 10)[15..], None),
            (&part(0x8A, 0), None),
            // The end of one and the beginning of the next.
            (&part(0x01, 1), Some(3)),
            (&[part(0x80, 0), part(0x01, 1)].concat(), Some(4)),
        ] {
            frames.pass(bytes);
            assert_eq!(frames.on_its_way(), on_its_way, "{bytes:?}");
        }
    }

    #[test]
    fn frames_that_bring_no_message_further_are_counted() {
        let part = |first: u8, length: usize| {
            let mut part = frame(0, length, true);
            part[0] = first;
            part
        };
        let mut frames = Frames::default();
        for (bytes, idle) in [
            (part(0x81, 100), 0),
            (part(0x82, 0), 0),
            (part(0x02, 0), 1),
            (part(0x00, 0), 2),
            (part(0x00, 1), 2),
            (part(0x89, 125), 3),
            (part(0x8A, 0), 4),
            (part(0x80, 0), 4),
        ] {
            frames.pass(&bytes);
            assert_eq!(frames.idle(), idle, "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_that_closes_has_closed_when_it_has_ended() {
        let close = frame(CLOSE, 2, false);
        let mut frames = Frames::default();
        frames.pass(&frame(1, 10, false));
        frames.pass(&close[..3]);
        assert!(!frames.has_closed() && !frames.is_between());
        frames.pass(&close[3..]);
        assert!(frames.has_closed() && frames.is_between());
        let mut empty = Frames::default();
        empty.pass(&frame(CLOSE, 0, false));
        assert!(empty.has_closed());
    }
}
