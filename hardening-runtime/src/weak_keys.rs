//! RSA keys whose private part can be found from the public one, so that nothing that they sign proves anything, and those that
//! the verifier refuses whatever they sign.

use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The shortest modulus that is taken, in bits.
const SHORTEST: usize = 2048;
/// The longest modulus and the longest exponent that the verifier (`aws-lc`) takes, in bits.
const LONGEST: usize = 8192;
const LONGEST_EXPONENT: usize = 33;

/// The first 39 primes. The library of CVE-2017-15361 ("ROCA") made primes of the form `k * M + (65537^a mod M)`, where these and,
/// for longer keys, more of them divide `M`.
const PRIMES: [u32; 39] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Why an RSA key with this modulus and exponent, of which the most significant byte is first, is not taken.
pub(crate) fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<String> {
    let modulus = without_zeros(modulus);
    let bits = bits(modulus);
    if bits < SHORTEST {
        return Some(format!(
            "its RSA modulus has {bits} bits, and a key of less than {SHORTEST} can be broken"
        ));
    }
    if bits > LONGEST {
        return Some(format!(
            "its RSA modulus has {bits} bits, and no signature is checked beyond {LONGEST}"
        ));
    }
    let exponent = without_zeros(exponent);
    let bits = self::bits(exponent);
    if bits > LONGEST_EXPONENT {
        return Some(format!(
            "its RSA exponent has {bits} bits, and no signature is checked beyond {LONGEST_EXPONENT}"
        ));
    }
    if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] {
        return Some("its RSA exponent is 1 or even, under which signatures prove nothing".to_owned());
    }
    if let Some(factor) = PRIMES.into_iter().find(|prime| remainder(modulus, *prime) == 0) {
        return Some(format!("{factor} divides its RSA modulus, which can be factored"));
    }
    is_roca(modulus).then(|| {
        "its RSA modulus has the form of CVE-2017-15361 (ROCA), from which its private key can be computed".to_owned()
    })
}

/// Why the key of this certificate is not taken; `None` also for what is no certificate.
pub(crate) fn of_certificate(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => of_rsa(key.modulus, key.exponent),
        _ => None,
    }
}

/// The length of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[first..]
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % divisor)
}

/// Whether the remainder by every one of the primes is a power of 65537, as it is for each factor of the library's, and so for
/// their product. Of other moduli one in about a hundred million looks the same.
fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.into_iter().all(|prime| {
        let (rest, generator) = (remainder(modulus, prime), 65_537 % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * generator % prime));
        // There are fewer of them than the prime is large.
        powers.take(prime as usize).any(|power| power == rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number, its least significant digit first.
    struct Number(Vec<u32>);

    impl Number {
        fn times(mut self, factor: u32) -> Self {
            let mut carry = 0;
            for digit in &mut self.0 {
                let product = u64::from(*digit) * u64::from(factor) + carry;
                *digit = product as u32;
                carry = product >> 32;
            }
            if carry > 0 {
                self.0.push(carry as u32);
            }
            self
        }

        fn plus(mut self, other: &Self) -> Self {
            let mut carry = 0;
            self.0.resize(self.0.len().max(other.0.len()) + 1, 0);
            for (at, digit) in self.0.iter_mut().enumerate() {
                let sum = u64::from(*digit) + u64::from(*other.0.get(at).unwrap_or(&0)) + carry;
                *digit = sum as u32;
                carry = sum >> 32;
            }
            self
        }

        fn bytes(&self) -> Vec<u8> {
            self.0.iter().rev().flat_map(|digit| digit.to_be_bytes()).collect()
        }
    }

    /// A number of more than 2048 bits of the form `k * M + 65537^a`.
    fn roca(random: &mut fastrand::Rng) -> Vec<u8> {
        let mut multiple = PRIMES.into_iter().fold(Number(vec![1]), Number::times);
        while multiple.0.len() < 65 {
            multiple = multiple.times(random.u32(1 << 31..));
        }
        let power = (0..random.usize(1..100)).fold(Number(vec![1]), |power, _| power.times(65_537));
        multiple.plus(&power).bytes()
    }

    const USUAL: &[u8] = &[1, 0, 1];

    #[test]
    fn moduli_of_the_broken_library_are_known_and_others_are_taken() {
        let mut random = fastrand::Rng::with_seed(15_361);
        for _ in 0..100 {
            let why = of_rsa(&roca(&mut random), USUAL).expect("it is weak");
            assert!(why.contains("ROCA"), "{why}");
        }
        let mut taken = 0;
        for _ in 0..10_000 {
            let mut modulus = [0; 256];
            random.fill(&mut modulus);
            modulus[0] |= 0x80;
            assert!(!is_roca(&modulus));
            taken += u32::from(of_rsa(&modulus, USUAL).is_none());
        }
        // What is left when the multiples of small primes are sieved out.
        assert!((800..1400).contains(&taken), "{taken}");
    }

    #[test]
    fn short_and_long_moduli_odd_exponents_and_small_factors() {
        // Of no small prime a multiple, and by the last of them no power of 65537.
        let (zeros, ones) = ([0; 128], [0xff; 128]);
        for (modulus, exponent, part) in [
            (&ones[..], USUAL, "1024 bits"),
            (&[&zeros[..], &ones].concat(), USUAL, "1024 bits"),
            (&[&[0x7f][..], &[0xff; 255]].concat(), USUAL, "2047 bits"),
            (&[], USUAL, "0 bits"),
            (&[0; 300], USUAL, "0 bits"),
            (&[0xff; 1025], USUAL, "8200 bits"),
            (&[0xff; 256], &[0xff; 200], "1600 bits"),
            (&[0xff; 256], &[2, 0, 0, 0, 1], "34 bits"),
            (&[0xff; 256], &[1, 0, 0, 0, 1], "3 divides"),
            (&[0xff; 256], &[1], "exponent"),
            (&[0xff; 256], &[0, 0, 1], "exponent"),
            (&[0xff; 256], &[4], "exponent"),
            (&[0xff; 256], &[], "exponent"),
            (&[0xff; 256], &[0], "exponent"),
            (&[0xff; 256], USUAL, "3 divides"),
            (&[&[0xff; 255][..], &[0xfe]].concat(), USUAL, "2 divides"),
        ] {
            let why = of_rsa(modulus, exponent).unwrap_or_default();
            assert!(why.contains(part), "{part}: {why}");
        }
    }
}
