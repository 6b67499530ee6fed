//! On whose account the request that a task answers keeps keys.

use std::net::IpAddr;

use super::keyed::{Owner, hash_key};
use crate::context::{self, Request};

/// Whoever sent the request that the current task answers; `None` outside of requests, and where nothing is known of the client.
pub(crate) fn current() -> Option<Owner> {
    of(&*context::current()?)
}

/// Whoever sent this request: its principal, or else its client.
pub(crate) fn of(request: &Request) -> Option<Owner> {
    if let Some(principal) = &request.principal {
        let id = hash_key(&(request.tenant.as_deref(), principal.id.as_str()));
        return Some(Owner { id, network: id });
    }
    let [id, network] = match request.client_ip?.to_canonical() {
        IpAddr::V4(ip) => [ip.to_bits(), ip.to_bits() >> 16].map(|bits| hash_key(&bits)),
        IpAddr::V6(ip) => [hash_key(&(ip.to_bits() >> 80)); 2],
    };
    Some(Owner { id, network })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Principal;

    fn client(ip: &str) -> Option<Owner> {
        of(&Request { client_ip: ip.parse().ok(), ..Request::default() })
    }

    #[test]
    fn a_client_is_its_address_or_48_in_its_network() {
        let same = |one: &str, other: &str| {
            let [one, other] = [client(one), client(other)].map(Option::unwrap);
            (one.id == other.id, one.network == other.network)
        };
        assert_eq!(same("192.0.2.1", "::ffff:192.0.2.1"), (true, true));
        assert_eq!(same("192.0.2.1", "192.0.7.1"), (false, true));
        assert_eq!(same("192.0.2.1", "192.1.2.1"), (false, false));
        assert_eq!(same("2001:db8:1:2::3", "2001:db8:1:9::3"), (true, true));
        assert_eq!(same("2001:db8:1::3", "2001:db8:2::3"), (false, false));
        assert_eq!(client(""), None);
    }

    #[test]
    fn a_principal_is_itself_wherever_it_is() {
        let known = |tenant: Option<&str>, ip: &str| {
            of(&Request {
                client_ip: ip.parse().ok(),
                principal: Some(Principal::new("alice")),
                tenant: tenant.map(String::from),
                ..Request::default()
            })
        };
        assert_eq!(known(None, "192.0.2.1"), known(None, "2001:db8::1"));
        assert_ne!(known(None, "192.0.2.1"), known(Some("shop"), "192.0.2.1"));
        assert_ne!(known(None, "192.0.2.1"), client("192.0.2.1"));
    }

    #[tokio::test]
    async fn outside_of_a_request_there_is_nobody() {
        assert_eq!(current(), None);
        let request = Request { client_ip: "192.0.2.1".parse().ok(), ..Request::default() };
        assert_eq!(context::scope(request.into(), None, async { current() }).await, client("192.0.2.1"));
    }
}
