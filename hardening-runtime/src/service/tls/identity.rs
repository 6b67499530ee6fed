//! Whom a client's certificate names.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock;
use crate::context::Principal;
use crate::once_a_minute::OnceAMinute;
use crate::service::principal_name::{FORM, is_name};

/// The first of these that there is: a URI such as a SPIFFE id, a DNS name, an e-mail address, the common name. One that could be
/// taken for another name is nobody's. The chain was verified in the handshake.
pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Principal> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names: &[GeneralName<'_>] = names.as_ref().map_or(&[], |names| &names.value.general_names);
    let ranked = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some((0, *uri)),
        GeneralName::DNSName(dns) => Some((1, *dns)),
        GeneralName::RFC822Name(mail) => Some((2, *mail)),
        _ => None,
    });
    // Of those of one kind the first.
    let name = ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name.to_owned());
    let common = || certificate.subject().iter_common_name().next()?.as_str().ok().map(str::to_owned);
    let name = name.or_else(common).filter(|name| !name.is_empty())?;
    if !is_name(&name) {
        static WARNING: OnceAMinute = OnceAMinute::new();
        if WARNING.is_due(clock::now()) {
            tracing::warn!(name, "a client's certificate names nobody: it must have {FORM}");
        }
        return None;
    }
    Some(Principal::new(name))
}
