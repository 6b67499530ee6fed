//! `[secrets]`: names for references to secrets.

use super::value::Value;

/// One key of `[secrets]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// The name.
    pub name: String,
    /// `secret://file/…`, `secret://env/…`, or that of a provider.
    pub reference: String,
}

/// Takes one key.
pub(super) fn set(secrets: &mut Vec<SecretReference>, name: &str, value: &Value) -> Result<(), String> {
    let form = "write a reference such as `secret://file/run/secrets/key` or `secret://env/NAME`, never the secret itself";
    let Value::Text(reference) = value else { return Err(form.to_owned()) };
    let Some((scheme, path)) = crate::secret::parts(reference) else { return Err(form.to_owned()) };
    // Other schemes are asked for when set-up has named their provider.
    crate::secret::look(scheme, path)?;
    // In the order of their names, so that many of them are found fast.
    match secrets.binary_search_by(|known| known.name.as_str().cmp(name)) {
        Ok(at) => secrets[at].reference.clone_from(reference),
        Err(at) => {
            secrets.insert(at, SecretReference { name: name.to_owned(), reference: reference.clone() });
        }
    }
    Ok(())
}
