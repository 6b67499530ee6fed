//! What a token says (RFC 7519, RFC 8725), once its signature holds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::Caller;
use super::super::counts::Outcome;
use crate::context::Principal;
use crate::service::principal_name::is_name;
use crate::settings;

/// What a token must say.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    issuer: String,
    audience: Vec<String>,
    leeway: f64,
    principal: String,
    scopes: Vec<String>,
    tenant: String,
}

impl Rules {
    pub(super) fn new(auth: &settings::Auth) -> Self {
        Self {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway: auth.leeway.as_secs_f64(),
            principal: auth.principal_claim.clone(),
            scopes: auth.scope_claims.clone(),
            tenant: auth.tenant_claim.clone(),
        }
    }

    /// Whom a token with these claims names, at this many seconds since 1970.
    pub(super) fn judge(&self, claims: &Map<String, Value>, now: u64) -> Result<Caller, Outcome> {
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(Outcome::Issuer);
        }
        let ours =
            |value: &Value| value.as_str().is_some_and(|name| self.audience.iter().any(|ours| ours == name));
        let for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        };
        if !for_us {
            return Err(Outcome::Audience);
        }
        let now = now as f64;
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(Outcome::Claims)?;
        if now >= expires + self.leeway {
            return Err(Outcome::Expired);
        }
        if let Some(begins) = claims.get("nbf") {
            let begins = begins.as_f64().ok_or(Outcome::Claims)?;
            if begins > now + self.leeway {
                return Err(Outcome::NotYetValid);
            }
        }
        let mut principal = Principal::new(name(find(claims, &self.principal).ok_or(Outcome::Claims)?)?);
        for claim in &self.scopes {
            if let Some(value) = find(claims, claim) {
                collect(value, &mut principal.scopes)?;
            }
        }
        let tenant = if self.tenant.is_empty() { None } else { find(claims, &self.tenant) };
        Ok(Caller { principal, tenant: tenant.map(name).transpose()? })
    }
}

/// A claim of this name, or `b` within `a` for `a.b`: names that are URLs have dots themselves.
fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (outer, inner) = path.split_once('.')?;
    find(claims.get(outer)?.as_object()?, inner)
}

fn name(value: &Value) -> Result<String, Outcome> {
    value.as_str().filter(|name| is_name(name)).map(str::to_owned).ok_or(Outcome::Claims)
}

/// Words of a string, or a list of strings.
fn collect(value: &Value, scopes: &mut BTreeSet<String>) -> Result<(), Outcome> {
    match value {
        Value::String(words) => scopes.extend(words.split_ascii_whitespace().map(str::to_owned)),
        Value::Array(all) => {
            for scope in all {
                scopes.insert(scope.as_str().ok_or(Outcome::Claims)?.to_owned());
            }
        }
        Value::Null => {}
        _ => return Err(Outcome::Claims),
    }
    Ok(())
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn rules() -> Rules {
        Rules {
            issuer: "https://id.example".to_owned(),
            audience: vec!["orders".to_owned(), "shop".to_owned()],
            leeway: 30.0,
            principal: "sub".to_owned(),
            scopes: vec!["scope".to_owned(), "realm.roles".to_owned(), "https://x.example/roles".to_owned()],
            tenant: "org".to_owned(),
        }
    }

    fn judge(change: &[(&str, Value)]) -> Result<Caller, Outcome> {
        let mut claims =
            json!({"iss": "https://id.example", "aud": "orders", "sub": "ann", "exp": 1060, "nbf": 1000});
        for (claim, value) in change {
            claims[claim] = value.clone();
        }
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| *value != json!("absent"));
        rules().judge(&claims, 1000)
    }

    #[test]
    fn a_token_is_for_us_from_our_issuer_and_in_its_time() {
        for (claim, value, outcome) in [
            ("iss", json!("https://id.example/"), Some(Outcome::Issuer)),
            ("iss", json!(["https://id.example"]), Some(Outcome::Issuer)),
            ("iss", json!("absent"), Some(Outcome::Issuer)),
            ("aud", json!("other"), Some(Outcome::Audience)),
            ("aud", json!("absent"), Some(Outcome::Audience)),
            ("aud", json!(["other", "shop"]), None),
            ("aud", json!([["shop"]]), Some(Outcome::Audience)),
            ("exp", json!("absent"), Some(Outcome::Claims)),
            ("exp", json!("1060"), Some(Outcome::Claims)),
            ("exp", json!(null), Some(Outcome::Claims)),
            ("exp", json!(970), Some(Outcome::Expired)),
            ("exp", json!(970.5), None),
            ("exp", json!(-1e300), Some(Outcome::Expired)),
            ("exp", json!(1e300), None),
            ("nbf", json!("absent"), None),
            ("nbf", json!(1030), None),
            ("nbf", json!(1031), Some(Outcome::NotYetValid)),
            ("nbf", json!("1000"), Some(Outcome::Claims)),
            ("sub", json!("absent"), Some(Outcome::Claims)),
            ("sub", json!(7), Some(Outcome::Claims)),
            ("sub", json!(""), Some(Outcome::Claims)),
            ("sub", json!("-"), Some(Outcome::Claims)),
            ("sub", json!("a\nb"), Some(Outcome::Claims)),
            ("sub", json!("\u{202e}nna"), Some(Outcome::Claims)),
            ("sub", json!("a\u{200b}nn"), Some(Outcome::Claims)),
            ("sub", json!("ann "), Some(Outcome::Claims)),
            ("org", json!("north\u{200b}"), Some(Outcome::Claims)),
            ("org", json!("-"), Some(Outcome::Claims)),
            ("sub", json!("x".repeat(513)), Some(Outcome::Claims)),
            ("org", json!({}), Some(Outcome::Claims)),
            ("scope", json!([7]), Some(Outcome::Claims)),
            ("scope", json!(null), None),
        ] {
            assert_eq!(judge(&[(claim, value.clone())]).err(), outcome, "{claim} {value}");
        }
    }

    #[test]
    fn scopes_come_from_strings_lists_and_within_others() {
        let caller = judge(&[
            ("scope", json!("a  b")),
            ("realm", json!({"roles": ["c"]})),
            ("https://x.example/roles", json!(["d e"])),
            ("org", json!("acme")),
        ])
        .unwrap();
        let scopes: Vec<_> = caller.principal.scopes.iter().map(String::as_str).collect();
        assert_eq!(scopes, ["a", "b", "c", "d e"]);
        assert_eq!((caller.principal.id.as_str(), caller.tenant.as_deref()), ("ann", Some("acme")));
    }
}
