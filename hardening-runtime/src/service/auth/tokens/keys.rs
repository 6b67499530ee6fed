//! The keys of an issuer (RFC 7517), and which of them may check which token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The most keys of one issuer.
const MOST: usize = 200;
/// The base64 of a modulus of 2048 bits.
const MODULUS: usize = 342;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The keys of an issuer that can check signatures.
pub(super) struct Keys(Vec<Key>);

struct Key {
    kid: Option<String>,
    /// What it may check: a key is for one kind of signature, whatever a token says.
    fits: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
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
        let usable = keys.iter().filter_map(|key| {
            let jwk = serde_json::from_value::<Jwk>(key.clone()).ok()?;
            let fits: Vec<_> = fitting(&jwk).into_iter().filter(|fit| algorithms.contains(fit)).collect();
            let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| !fits.is_empty())?;
            Some(Key { kid: jwk.common.key_id, fits, decoding })
        });
        Ok(Self(usable.collect()))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key for a token: the one it names, or the only one that fits when it names none.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fitting = |key: &&Key| key.fits.contains(&algorithm);
        let mut found = self.0.iter().filter(fitting);
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
        AlgorithmParameters::RSA(rsa) if rsa.n.trim_end_matches('=').len() >= MODULUS => RSA.to_vec(),
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

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;

    fn algorithms() -> Vec<Algorithm> {
        vec![Algorithm::RS256, Algorithm::ES256, Algorithm::HS256]
    }

    #[test]
    fn a_key_checks_what_it_is_for() {
        let rsa = format!(r#""kty":"RSA","e":"AQAB","n":"{}""#, "u".repeat(341) + "w");
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
}
