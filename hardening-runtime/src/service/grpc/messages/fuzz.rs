//! Whatever stands in the body of a call.

use super::*;
use crate::fuzzing::run;

const LIMIT: u64 = 64;

/// The same, one byte at a time and in the plainest way: whether a message is within, or is too large.
fn plainly(data: &[u8]) -> Result<bool, TooLarge> {
    let mut rest = data;
    while let Some((prefix, after)) = rest.split_at_checked(PREFIX) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
        if u64::from(length) > LIMIT {
            return Err(TooLarge);
        }
        let Some(next) = after.get(length as usize..) else { return Ok(true) };
        rest = next;
    }
    Ok(!rest.is_empty())
}

#[test]
fn grpc_messages() {
    let seeds: &[&[u8]] =
        &[b"\0\0\0\0\x05hello", b"\0\0\0\0\0\x01\0\0\0\x02ab", b"\0\0\0\0\x41", b"\0\xff\xff\xff\xff"];
    run("messages of gRPC", seeds, &[b"\0\0\0\0", b"\x40", b"\x41", b"\0\0\0\0\0"], |data| {
        let expected = plainly(data);
        for size in [1, 3, PREFIX, 64, 1 << 16] {
            let mut framing = Framing::default();
            let read = data.chunks(size).try_for_each(|piece| framing.read(piece, LIMIT).map(drop));
            assert_eq!(read.map(|()| framing.within()), expected, "in pieces of {size}");
        }
    });
}
