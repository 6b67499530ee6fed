//! Whether bytes are the public key of Ed25519 (RFC 8032): the verifier does not say which of the key and the signature is wrong.

/// A number below 2^256, the least significant limb first; equal to others modulo 2^255 - 19.
type Number = [u64; 4];

const P: Number = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];
const MINUS_ONE: Number = [0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];
/// (2^255 - 20) / 2, the exponent of Euler's criterion.
const HALF: Number = [0xffff_ffff_ffff_fff6, u64::MAX, u64::MAX, 0x3fff_ffff_ffff_ffff];
/// `d` of the curve: -x² + y² = 1 + d x² y².
const D: Number =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
const ZERO: Number = [0; 4];
const ONE: Number = [1, 0, 0, 0];
/// `y` of the eight points whose order divides eight. Under such a key others can sign.
const SMALL_ORDER: [Number; 5] = [
    ZERO,
    ONE,
    MINUS_ONE,
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];

/// Why these bytes are no key.
pub(super) fn unusable(key: &[u8]) -> Option<&'static str> {
    let Ok(bytes) = <[u8; 32]>::try_from(key) else { return Some("its point has not 32 bytes") };
    let mut y = ZERO;
    for (limb, bytes) in y.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = bytes.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    // The highest bit is the sign of x.
    y[3] &= P[3];
    let y = reduced(y);
    let square = times(y, y);
    // x² = (y² - 1) / (d y² + 1), and a quotient is a square where the product is.
    let (above, below) = (plus(square, MINUS_ONE), plus(times(D, square), ONE));
    if ![ZERO, ONE].contains(&reduced(power(times(above, below), HALF))) {
        return Some("its point is not on its curve");
    }
    SMALL_ORDER.contains(&y).then_some("its point has a small order, so others can sign with it")
}

fn times(a: Number, b: Number) -> Number {
    let mut product = [0; 8];
    for (i, a) in a.into_iter().enumerate() {
        let mut carry = 0;
        for (j, b) in b.into_iter().enumerate() {
            let sum = u128::from(a) * u128::from(b) + u128::from(product[i + j]) + carry;
            (product[i + j], carry) = (sum as u64, sum >> 64);
        }
        product[i + 4] = carry as u64;
    }
    let (mut folded, mut carry) = (ZERO, 0);
    for (i, limb) in folded.iter_mut().enumerate() {
        // 2^256 is 38.
        let sum = u128::from(product[i]) + 38 * u128::from(product[i + 4]) + carry;
        (*limb, carry) = (sum as u64, sum >> 64);
    }
    plus(folded, [38 * carry as u64, 0, 0, 0])
}

fn plus(a: Number, b: Number) -> Number {
    let (mut sum, mut carry) = (ZERO, 0);
    for i in 0..4 {
        let limbs = u128::from(a[i]) + u128::from(b[i]) + carry;
        (sum[i], carry) = (limbs as u64, limbs >> 64);
    }
    if carry == 0 { sum } else { plus(sum, [38, 0, 0, 0]) }
}

fn power(base: Number, exponent: Number) -> Number {
    let bits = (0..256).rev().map(|bit| exponent[bit / 64] >> (bit % 64) & 1 == 1);
    bits.fold(ONE, |power, set| {
        let squared = times(power, power);
        if set { times(squared, base) } else { squared }
    })
}

/// The same number below 2^255 - 19.
fn reduced(mut number: Number) -> Number {
    while number.iter().rev().ge(P.iter().rev()) {
        let mut borrow = false;
        for (limb, p) in number.iter_mut().zip(P) {
            let (less, one) = limb.overflowing_sub(p);
            let (less, other) = less.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (less, one || other);
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(y: u8) -> Vec<u8> {
        let mut bytes = vec![0; 32];
        bytes[0] = y;
        bytes
    }

    #[test]
    fn points_of_the_curve_are_told_from_other_bytes() {
        for (y, on_curve) in (2..20).map(|y| (y, ![2, 7, 8, 11, 12, 13, 17].contains(&y))) {
            assert_eq!(unusable(&low(y)).is_none(), on_curve, "{y}");
            let negative: Vec<u8> =
                low(y).iter().enumerate().map(|(at, byte)| byte | if at == 31 { 0x80 } else { 0 }).collect();
            assert_eq!(unusable(&negative).is_none(), on_curve, "-{y}");
        }
        // Of RFC 8032, section 7.1, tests 1 and 2.
        for key in [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ] {
            let bytes: Vec<u8> =
                (0..32).map(|at| u8::from_str_radix(&key[2 * at..][..2], 16).unwrap()).collect();
            assert_eq!(unusable(&bytes), None, "{key}");
        }
        for length in [0, 31, 33, 64] {
            assert!(unusable(&vec![9; length]).unwrap().contains("32 bytes"));
        }
    }

    #[test]
    fn points_of_a_small_order_are_no_keys_however_they_are_written() {
        let mut written = SMALL_ORDER.to_vec();
        // The same as zero and one, not reduced.
        written.extend([P, plus(P, ONE)]);
        for y in written {
            let mut bytes: Vec<u8> = y.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            assert!(unusable(&bytes).unwrap().contains("small order"), "{y:x?}");
            bytes[31] |= 0x80;
            assert!(unusable(&bytes).unwrap().contains("small order"), "{y:x?}");
        }
    }
}
