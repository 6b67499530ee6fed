//! The file of callers: digests of API keys, and what the holders of certificates may do.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use hardening_spec::settings::unknown;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::Caller;
use crate::context::Principal;
use crate::lines::Lines;
use crate::service::principal_name::{FORM, is_name};
use crate::settings::problems;

/// The shortest key that is taken: 24 characters of base64 hold 144 bits, of hexadecimal 96.
const SHORTEST: usize = 24;

/// Who may call.
#[derive(Debug, Default)]
pub(super) struct Callers {
    keys: HashMap<Sha, Key>,
    clients: HashMap<String, Grant>,
    /// Everybody in the file.
    names: HashSet<String>,
}

/// What somebody may do, and on whose behalf they do it.
#[derive(Clone, Debug, Default)]
struct Grant {
    scopes: BTreeSet<String>,
    tenant: Option<String>,
}

#[derive(Debug)]
struct Key {
    id: String,
    grant: Grant,
    /// In seconds since 1970.
    expires: Option<u64>,
}

/// The digest of a key. The map hashes it under a secret of this process before it compares anything, and compares in
/// constant time: how long that takes tells nothing about the digests that are there.
#[derive(Clone, Copy)]
struct Sha([u8; 32]);

impl Sha {
    fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl PartialEq for Sha {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Sha {}

impl Hash for Sha {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl std::fmt::Debug for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    Unknown,
    Expired,
    /// It is the one of the file, and could be guessed.
    Short,
}

impl Callers {
    /// Who shows this key, at this many seconds since 1970.
    pub(super) fn by_key(&self, key: &str, now: u64) -> Result<Caller, NoKey> {
        let known = self.keys.get(&Sha::of(key)).ok_or(NoKey::Unknown)?;
        if key.len() < SHORTEST {
            return Err(NoKey::Short);
        }
        if known.expires.is_some_and(|expires| expires <= now) {
            return Err(NoKey::Expired);
        }
        Ok(known.grant.to(Principal::new(&known.id)))
    }

    /// What the holder of a certificate of this name may do.
    pub(super) fn by_certificate(&self, principal: &Principal) -> Caller {
        let grant = self.clients.get(&principal.id).cloned().unwrap_or_default();
        grant.to(principal.clone())
    }

    /// Whether this is the name of somebody in the file, which no token may take.
    #[cfg(feature = "jwt")]
    pub(super) fn names(&self, id: &str) -> bool {
        self.names.contains(id)
    }

    /// The ids of keys that have expired by now.
    pub(super) fn expired(&self, now: u64) -> impl Iterator<Item = &str> {
        let over = move |key: &&Key| key.expires.is_some_and(|expires| expires <= now);
        self.keys.values().filter(over).map(|key| key.id.as_str())
    }

    /// Reads the file's text; `file` is its name in messages.
    ///
    /// # Errors
    /// Everything that is wrong, a sentence each with file and line; no value of a digest is in any.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Vec<String>> {
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| lines.line(span.start));
            // The parser's message quotes nothing of the text.
            vec![format!("{file}:{line}: this is not TOML: {}", error.message().trim().replace('\n', "; "))]
        })?;
        let mut reader = Reader { file, lines, problems: Vec::new(), callers: Self::default() };
        for (name, value) in table.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("key", DeValue::Array(keys)) => keys.iter().for_each(|key| reader.key(key)),
                ("client", DeValue::Table(clients)) => {
                    clients.iter().for_each(|(name, client)| reader.client(name, client));
                }
                ("key", _) => reader.wrong(name.span().start, "write each key below `[[key]]`"),
                ("client", _) => {
                    reader.wrong(name.span().start, "write each client below `[client.\"name\"]`");
                }
                (other, _) => {
                    let why = unknown("table", other, &["key", "client"]).to_string();
                    reader.wrong(name.span().start, &why);
                }
            }
        }
        if reader.problems.is_empty() { Ok(reader.callers) } else { Err(problems::first(reader.problems)) }
    }
}

impl Grant {
    fn to(&self, mut principal: Principal) -> Caller {
        principal.scopes.clone_from(&self.scopes);
        Caller { principal, tenant: self.tenant.clone() }
    }
}

struct Reader<'t> {
    file: &'t str,
    lines: Lines,
    problems: Vec<String>,
    callers: Callers,
}

impl Reader<'_> {
    fn wrong(&mut self, at: usize, why: &str) {
        self.problems.push(format!("{}:{}: {why}", self.file, self.lines.line(at)));
    }

    fn key(&mut self, key: &Spanned<DeValue<'_>>) {
        let start = key.span().start;
        let DeValue::Table(table) = key.get_ref() else {
            return self.wrong(start, "write each key below `[[key]]`");
        };
        let before = self.problems.len();
        let (mut id, mut sha, mut expires, mut grant) = (None, None, None, Grant::default());
        for (name, value) in table {
            let at = name.span().start;
            let read = match name.get_ref().as_ref() {
                "id" => named(value).map(|name| id = Some(name)),
                "sha256" => digest(value).map(|digest| sha = Some((digest, at))),
                "expires" => moment(value).map(|moment| expires = Some(moment)),
                other => granted(&mut grant, other, value, &["id", "sha256", "scopes", "tenant", "expires"]),
            };
            if let Err(why) = read {
                self.wrong(at, &format!("[[key]] {}: {why}", name.get_ref()));
            }
        }
        if before < self.problems.len() {
            return;
        }
        let Some(id) = id else { return self.wrong(start, "[[key]]: `id` is missing: the caller's name") };
        let Some((sha, at)) = sha else {
            return self.wrong(start, &format!("[[key]]: `sha256` is missing: {HOW}"));
        };
        if let Some(other) = self.callers.keys.get(&sha) {
            let why = format!("[[key]] sha256: this is the key of `{}` as well; give each its own", other.id);
            return self.wrong(at, &why);
        }
        self.callers.names.insert(id.clone());
        self.callers.keys.insert(sha, Key { id, grant, expires });
    }

    fn client(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, client: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = client.get_ref() else {
            return self.wrong(name.span().start, "write each client below `[client.\"name\"]`");
        };
        if !is_name(name.get_ref()) {
            let why = format!("[client.{:?}]: no certificate has this name: write {FORM}", name.get_ref());
            return self.wrong(name.span().start, &why);
        }
        let mut grant = Grant::default();
        for (key, value) in table {
            if let Err(why) = granted(&mut grant, key.get_ref(), value, &["scopes", "tenant"]) {
                let why = format!("[client.\"{}\"] {}: {why}", name.get_ref(), key.get_ref());
                self.wrong(key.span().start, &why);
            }
        }
        self.callers.names.insert(name.get_ref().to_string());
        self.callers.clients.insert(name.get_ref().to_string(), grant);
    }
}

fn granted(grant: &mut Grant, key: &str, value: &Spanned<DeValue<'_>>, known: &[&str]) -> Result<(), String> {
    match key {
        "scopes" => {
            let DeValue::Array(scopes) = value.get_ref() else {
                return Err("write a list such as `[\"orders:read\"]`".to_owned());
            };
            for scope in scopes {
                let scope = text(scope)?;
                if scope.contains(char::is_whitespace) {
                    return Err(format!("`{scope}` holds a space: write each scope on its own"));
                }
                grant.scopes.insert(scope);
            }
            Ok(())
        }
        "tenant" => named(value).map(|tenant| grant.tenant = Some(tenant)),
        other => Err(unknown("key", other, known).to_string()),
    }
}

/// The name of a caller or a tenant.
fn named(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::String(name) if is_name(name) => Ok(name.to_string()),
        _ => Err(format!("write {FORM}")),
    }
}

fn text(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::String(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(text.to_string()),
        _ => Err("write a string of visible characters".to_owned()),
    }
}

const HOW: &str = "write the 64 hexadecimal digits of `printf %s \"$KEY\" | sha256sum`, of a key such as `openssl rand -hex 32` makes";

/// Nothing of the value goes into the message: it may be the key itself.
fn digest(value: &Spanned<DeValue<'_>>) -> Result<Sha, String> {
    let refused = |what: &str| Err(format!("{what}; {HOW}"));
    let DeValue::String(text) = value.get_ref() else { return refused("this is no digest") };
    match text.len() {
        _ if text.starts_with('$') => {
            return refused("this is the hash of a password, which is too slow to check at each request");
        }
        64 => {}
        32 | 40 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            return refused(
                "this is the digest of MD5 or SHA-1, which is too weak, or a key that is not hashed",
            );
        }
        _ => return refused("this is not the SHA-256 of a key"),
    }
    let mut sha = [0; 32];
    for (byte, pair) in sha.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'));
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => *byte = value,
            None => return refused("this is not the SHA-256 of a key"),
        }
    }
    if sha.iter().all(|byte| *byte == sha[0]) || ["", "\n"].iter().any(|empty| Sha::of(empty) == Sha(sha)) {
        return refused("this is the digest of nothing");
    }
    Ok(Sha(sha))
}

/// Seconds since 1970.
fn moment(value: &Spanned<DeValue<'_>>) -> Result<u64, String> {
    let wrong =
        || Err("write a moment such as `2027-01-31T12:00:00Z`, or a day such as `2027-01-31`".to_owned());
    let DeValue::Datetime(moment) = value.get_ref() else { return wrong() };
    match seconds(moment) {
        Some(seconds) => Ok(seconds),
        None => wrong(),
    }
}

/// A day alone ends the key as it begins, in UTC. A time without an offset is nobody's.
fn seconds(moment: &Datetime) -> Option<u64> {
    let date = moment.date?;
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    // Days of the civil calendar since 1970-03-01, counted in years that begin with March (Hinnant, chrono-compatible
    // low-level date algorithms).
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468;
    let mut seconds = days * 86_400;
    if let Some(time) = moment.time {
        let offset = match moment.offset? {
            toml::value::Offset::Z => 0,
            toml::value::Offset::Custom { minutes } => i64::from(minutes),
        };
        seconds += i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 - offset * 60;
        seconds += i64::from(time.second.unwrap_or(0));
    }
    u64::try_from(seconds).ok()
}

#[cfg(test)]
#[path = "callers/tests.rs"]
mod tests;
