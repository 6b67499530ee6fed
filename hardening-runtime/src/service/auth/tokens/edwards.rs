//! Public keys of Ed25519 (RFC 8032) that are none. Whether a point is on the curve at all the verifier finds out.

/// A number of 255 bits, the least significant part first.
type Number = [u64; 4];

/// `y` of the eight points whose order divides eight, and of two of them as they may be written too: under such a key others can
/// sign.
const SMALL_ORDER: [Number; 7] = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    // -1, 0 and 1 modulo 2^255 - 19.
    [0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    [0xffff_ffff_ffff_ffee, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];

/// Why these bytes are no key.
pub(super) fn unusable(key: &[u8]) -> Option<&'static str> {
    let Ok(bytes) = <[u8; 32]>::try_from(key) else { return Some("its point has not 32 bytes") };
    let mut y = [0; 4];
    for (limb, bytes) in y.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = bytes.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    // The highest bit is the sign of x.
    y[3] &= u64::MAX >> 1;
    SMALL_ORDER.contains(&y).then_some("its point has a small order, so others can sign with it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_small_order_are_no_keys_however_they_are_written() {
        for y in SMALL_ORDER {
            let mut bytes: Vec<u8> = y.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            assert!(unusable(&bytes).unwrap().contains("small order"), "{y:x?}");
            bytes[31] |= 0x80;
            assert!(unusable(&bytes).unwrap().contains("small order"), "{y:x?}");
        }
    }

    #[test]
    fn keys_have_32_bytes() {
        // Of RFC 8032, section 7.1, tests 1 and 2.
        for key in [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ] {
            let bytes: Vec<u8> =
                (0..32).map(|at| u8::from_str_radix(&key[2 * at..][..2], 16).unwrap()).collect();
            assert_eq!(unusable(&bytes), None, "{key}");
            assert!(unusable(&bytes[1..]).unwrap().contains("32 bytes"));
        }
        for length in [0, 33, 64] {
            assert!(unusable(&vec![9; length]).unwrap().contains("32 bytes"));
        }
    }
}
