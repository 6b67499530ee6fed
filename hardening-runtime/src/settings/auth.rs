//! `[auth]`: who is calling, and how that is shown.

use std::time::Duration;

use super::forms;
use super::value::Value;

/// `[auth]`.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// The file of API keys, and of what the holders of certificates may do; empty for none.
    pub api_keys: String,
    /// Whether nobody may call anonymously.
    pub required: bool,
    /// Routes that anybody may call all the same.
    pub public: Vec<String>,
    /// Who signs tokens; empty for none.
    pub issuer: String,
    /// For whom tokens are made: one of these is us.
    pub audience: Vec<String>,
    /// How tokens may be signed.
    pub algorithms: Vec<String>,
    /// Where the issuer's keys are: a URL or a file.
    pub jwks: String,
    /// The file of roots for that URL beside those of the system; empty for none.
    pub jwks_ca: String,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// How often the issuer's keys are fetched.
    pub jwks_refresh: Duration,
    /// How long keys that cannot be fetched again still count.
    pub jwks_stale: Duration,
    /// The time between two fetches that tokens with an unknown key ask for.
    pub jwks_cooldown: Duration,
    /// The claim that names the caller.
    pub principal_claim: String,
    /// The claims that hold scopes.
    pub scope_claims: Vec<String>,
    /// The claim that names the tenant; empty for none.
    pub tenant_claim: String,
}

impl Auth {
    /// Whether tokens are asked for in any way.
    pub(crate) fn wants_tokens(&self) -> bool {
        !self.issuer.is_empty() || !self.jwks.is_empty() || !self.audience.is_empty()
    }

    /// Whether nothing asks for it.
    pub(crate) fn is_off(&self) -> bool {
        self.api_keys.is_empty() && !self.wants_tokens() && !self.required && self.public.is_empty()
    }
}

/// Signatures that hold without the verifier being able to sign.
pub(crate) const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// A list of [`ALGORITHMS`].
pub(super) fn algorithms(value: &Value) -> Result<Vec<String>, String> {
    let names = forms::texts(value)?;
    for name in &names {
        if name.starts_with("HS") || name.eq_ignore_ascii_case("none") {
            return Err(format!(
                "`{name}` is refused: whoever can check such a token can make one; write {}",
                hardening_spec::keys::list(&ALGORITHMS)
            ));
        }
        if !ALGORITHMS.contains(&name.as_str()) {
            return Err(hardening_spec::settings::unknown("algorithm", name, &ALGORITHMS).to_string());
        }
    }
    if names.is_empty() {
        return Err(format!("write at least one of {}", hardening_spec::keys::list(&ALGORITHMS)));
    }
    Ok(names)
}

/// A difference of clocks: short, or it becomes a second life of every token.
pub(super) fn leeway(value: &Value) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_mins(5);
    let leeway = forms::duration(value)?;
    if leeway > MOST { Err("write a duration of at most `5m`".to_owned()) } else { Ok(leeway) }
}

/// The patterns of routes, as the router writes them; one that ends in `*` stands for all that begin so.
pub(super) fn routes(value: &Value) -> Result<Vec<String>, String> {
    let routes = forms::texts(value)?;
    match routes.iter().find(|route| !route.starts_with('/')) {
        Some(route) => {
            Err(format!("`{route}` is no route; write a list such as `[\"/docs/*\", \"/items/{{id}}\"]`"))
        }
        None => Ok(routes),
    }
}
