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
    secrets.retain(|known| known.name != name);
    secrets.push(SecretReference { name: name.to_owned(), reference: reference.clone() });
    Ok(())
}
