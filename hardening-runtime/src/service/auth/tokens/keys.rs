//! The keys of an issuer (RFC 7517), and which of them may check which token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::crypto::aws_lc_rs::kx_group;
use serde_json::Value;

use super::edwards;
use crate::weak_keys;

/// The most keys of one issuer.
const MOST: usize = 200;
/// The longest name of a key in messages, in characters.
const LONGEST_NAME: usize = 64;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The keys of an issuer that can check signatures.
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Those that are left out because others can sign with them, or because the verifier takes no signature of theirs, and why.
    weak: Vec<String>,
}

struct Key {
    kid: Option<String>,
    /// What it may check: a key is for one kind of signature, whatever a token says.
    fits: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.keys.len())
    }
}

impl Keys {
    /// Reads a key set. Keys that cannot check one of these signatures are left out, as the standard asks.
    ///
    /// # Errors
    /// When it is no key set.
    pub(super) fn read(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, &'static str> {
        let set: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON")?;
        let Some(Value::Array(keys)) = set.get("keys") else { return Err("it has no list `keys`") };
        if keys.len() > MOST {
            return Err("it has more than 200 keys");
        }
        let mut read = Self { keys: Vec::new(), weak: Vec::new() };
        for key in keys {
            let Ok(jwk) = serde_json::from_value::<Jwk>(key.clone()) else { continue };
            let fits: Vec<_> = fitting(&jwk).into_iter().filter(|fit| algorithms.contains(fit)).collect();
            if fits.is_empty() {
                continue;
            }
            if let Some(why) = weakness(&jwk, key) {
                let name: String = jwk
                    .common
                    .key_id
                    .as_deref()
                    .unwrap_or("without a name")
                    .chars()
                    .take(LONGEST_NAME)
                    .collect();
                read.weak.push(format!("the key {name:?}: {why}"));
                continue;
            }
            if let Ok(decoding) = DecodingKey::from_jwk(&jwk) {
                read.keys.push(Key { kid: jwk.common.key_id, fits, decoding });
            }
        }
        Ok(read)
    }

    /// Why each key was left out that is known to be weak.
    pub(super) fn weak(&self) -> &[String] {
        &self.weak
    }

    /// Why no token can be checked, where there is no key that could.
    pub(super) fn lack(&self) -> Option<String> {
        self.keys.is_empty().then(|| match self.weak.as_slice() {
            [] => "it has no key that fits `[auth] algorithms`".to_owned(),
            weak => format!("it has no key that can be trusted: {}", weak.join("; ")),
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key for a token: the one it names, or the only one that fits when it names none.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fitting = |key: &&Key| key.fits.contains(&algorithm);
        let mut found = self.keys.iter().filter(fitting);
        match kid {
            Some(kid) => found.find(|key| key.kid.as_deref() == Some(kid)).map(|key| &key.decoding),
            None => found.next().filter(|_| found.next().is_none()).map(|key| &key.decoding),
        }
    }
}

/// The signatures that a key may check.
fn fitting(jwk: &Jwk) -> Vec<Algorithm> {
    let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)));
    let verifies = jwk.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !signs || !verifies {
        return Vec::new();
    }
    let mut fits = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        // A secret that everybody can fetch is none.
        _ => Vec::new(),
    };
    if let Some(only) = jwk.common.key_algorithm {
        let only = only.to_string();
        fits.retain(|fit| format!("{fit:?}") == only);
    }
    fits
}

/// Why a key proves nothing: others can sign with it, or the verifier refuses it whatever it has signed. One that is only refused
/// must not replace a key that works.
fn weakness(jwk: &Jwk, members: &Value) -> Option<String> {
    if members.get("d").is_some() {
        return Some(
            "its private part `d` is published with it, so everybody can sign with it: have the issuer make a new key"
                .to_owned(),
        );
    }
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let why = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => of_rsa(&decoded(&rsa.n), &decoded(&rsa.e)),
        AlgorithmParameters::EllipticCurve(key) => {
            of_point(&key.curve, &decoded(&key.x), &decoded(&key.y)).map(str::to_owned)
        }
        AlgorithmParameters::OctetKeyPair(key) => edwards::unusable(&decoded(&key.x)).map(str::to_owned),
        _ => None,
    };
    why.map(|why| format!("{why}: have the issuer make a new key"))
}

fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<String> {
    weak_keys::of_rsa(modulus, exponent).or_else(|| {
        let padded = [modulus, exponent].iter().any(|number| number.first() == Some(&0));
        padded.then(|| {
            "its RSA modulus or exponent begins with a byte of zero, which RFC 7518 forbids".to_owned()
        })
    })
}

/// An exchange of keys with a point that is not on the curve fails, and a signature under it is refused like a wrong one.
fn of_point(curve: &EllipticCurve, x: &[u8], y: &[u8]) -> Option<&'static str> {
    let group = if *curve == EllipticCurve::P256 { kx_group::SECP256R1 } else { kx_group::SECP384R1 };
    let exchange = group.start().ok()?;
    let point = [&[4], x, y].concat();
    exchange.complete(&point).err().map(|_| "its point is not on its curve")
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;

    pub(super) fn encoded(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// 2048 bits that no small prime divides.
    pub(super) fn modulus() -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| {
            let mut modulus = vec![0; 256];
            random.fill(&mut modulus);
            modulus[0] |= 0x80;
            modulus
        })
        .find(|modulus| weak_keys::of_rsa(modulus, &[1, 0, 1]).is_none())
        .expect("there are many")
    }

    pub(super) fn algorithms() -> Vec<Algorithm> {
        vec![Algorithm::RS256, Algorithm::ES256, Algorithm::HS256]
    }

    #[test]
    fn a_key_checks_what_it_is_for() {
        let rsa = format!(r#""kty":"RSA","e":"AQAB","n":"{}""#, encoded(&modulus()));
        let weak = format!(r#""kty":"RSA","e":"AQAB","n":"{}""#, "u".repeat(170) + "w");
        for (members, fits) in [
            (format!(r"{{{EC}}}"), true),
            (format!(r#"{{{EC},"use":"sig","alg":"ES256"}}"#), true),
            (format!(r#"{{{EC},"key_ops":["verify"]}}"#), true),
            (format!(r#"{{{EC},"use":"enc"}}"#), false),
            (format!(r#"{{{EC},"key_ops":["sign"]}}"#), false),
            (format!(r#"{{{EC},"alg":"ES384"}}"#), false),
            (format!(r#"{{{EC},"alg":"HS256"}}"#), false),
            (format!("{{{rsa}}}"), false),
            (r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(), false),
            (r#"{"kty":"oct","k":"c2VjcmV0","alg":"ES256"}"#.to_owned(), false),
            (r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#.to_owned(), false),
            ("7".to_owned(), false),
        ] {
            let keys = Keys::read(format!(r#"{{"keys":[{members}]}}"#).as_bytes(), &algorithms()).unwrap();
            assert_eq!(keys.find(None, Algorithm::ES256).is_some(), fits, "{members}");
            assert!(keys.find(None, Algorithm::HS256).is_none(), "{members}");
        }
        for (members, fits) in [(&rsa, true), (&weak, false)] {
            let keys =
                Keys::read(format!(r#"{{"keys":[{{{members}}}]}}"#).as_bytes(), &algorithms()).unwrap();
            assert_eq!(keys.find(None, Algorithm::RS256).is_some(), fits, "{members}");
            assert!(keys.find(None, Algorithm::PS256).is_none(), "it is not among those of the settings");
        }
    }

    #[test]
    fn a_token_without_a_name_has_the_only_key_or_none() {
        let set = format!(r#"{{"keys":[{{{EC},"kid":"a"}},{{{EC},"kid":"b"}}]}}"#);
        let keys = Keys::read(set.as_bytes(), &algorithms()).unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys.find(None, Algorithm::ES256).is_none());
        assert!(keys.find(Some("b"), Algorithm::ES256).is_some());
        assert!(keys.find(Some("c"), Algorithm::ES256).is_none());
        for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(Keys::read(text.as_bytes(), &algorithms()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_that_everybody_can_sign_with_are_left_out_and_named() {
        let good = encoded(&modulus());
        // Sixteen bytes of it are zeros, which lengthen its text and not the number.
        let padded = encoded(&[&[0; 16][..], &modulus()[16..]].concat());
        for (members, part) in [
            (format!(r#""n":"{padded}","e":"AQAB""#), "bits"),
            (format!(r#""n":"{good}","e":"AQ""#), "exponent"),
            (format!(r#""n":"{good}","e":"AQAB","d":"AA""#), "private part"),
            (r#""n":"%","e":"AQAB""#.to_owned(), "0 bits"),
        ] {
            let set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"one",{members}}},{{{EC}}}]}}"#);
            let keys = Keys::read(set.as_bytes(), &algorithms()).unwrap();
            assert_eq!((keys.len(), keys.weak().len(), keys.lack()), (1, 1, None), "{members}");
            assert!(
                keys.weak()[0].starts_with("the key \"one\": ") && keys.weak()[0].contains(part),
                "{keys:?}"
            );
            assert!(keys.find(Some("one"), Algorithm::RS256).is_none(), "{members}");
        }
        let (long, large) = (encoded(&[0xff; 1025]), encoded(&[0xff; 200]));
        let zero = encoded(&[&[0][..], &modulus()].concat());
        let flipped = EC.replace("4Etl", "4Ftl");
        let short = EC.replace("4Etl6SRW", "4Etl");
        let p384 = EC.replace("P-256", "P-384");
        let ed = |y: &[u8]| format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, encoded(y));
        let all = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
        for (members, part) in [
            (format!(r#""kty":"RSA","n":"{good}","e":"{large}""#), "1600 bits"),
            (format!(r#""kty":"RSA","n":"{long}","e":"AQAB""#), "8200 bits"),
            (format!(r#""kty":"RSA","n":"{zero}","e":"AQAB""#), "byte of zero"),
            (flipped, "not on its curve"),
            (short, "not on its curve"),
            (p384, "not on its curve"),
            (ed(&[9; 31]), "32 bytes"),
            (ed(&[0; 32]), "small order"),
        ] {
            let set = format!(r#"{{"keys":[{{{members}}}]}}"#);
            let keys = Keys::read(set.as_bytes(), &all).unwrap();
            assert_eq!(keys.len(), 0, "{members}");
            assert!(keys.lack().unwrap().contains(part), "{part}: {:?}", keys.lack());
        }
        let lack = |text: &str| Keys::read(text.as_bytes(), &algorithms()).unwrap().lack().unwrap();
        assert!(lack(r#"{"keys":[]}"#).contains("`[auth] algorithms`"));
        assert!(lack(&format!(r#"{{"keys":[{{"kty":"RSA","n":"{padded}","e":"AQAB"}}]}}"#)).contains("bits"));
    }
}
