//! What a request's head says to the service itself, found in one look over its fields.

use http::HeaderMap;

/// Which of the fields that the service reads a head has, and how large all of them are. Most requests have none of them, and
/// a look-up of each would hash each one's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    seen: u16,
    /// Names and values, and for each field the four bytes that HTTP/1 spends on separators.
    pub(crate) size: u64,
}

impl Said {
    /// The id of the request.
    pub(crate) const ID: u16 = 1;
    /// The trace that it belongs to.
    pub(crate) const TRACE: u16 = 1 << 1;
    /// How long its client waits.
    pub(crate) const TIMEOUT: u16 = 1 << 2;
    /// That it may be asked again.
    pub(crate) const IDEMPOTENT: u16 = 1 << 3;
    /// On whose behalf it was forwarded, in one of the two usual fields.
    pub(crate) const FORWARDED: u16 = 1 << 4;
    /// What its body is.
    pub(crate) const KIND: u16 = 1 << 5;
    /// Something that tells its client from others.
    pub(crate) const CREDENTIAL: u16 = 1 << 6;
    /// Where its body ends, if no length says it.
    pub(crate) const CODING: u16 = 1 << 7;
    /// Whom it is for.
    pub(crate) const HOST: u16 = 1 << 8;
    /// The same more than once.
    pub(crate) const HOSTS: u16 = 1 << 9;

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            said.size += (name.len() + value.len() + 4) as u64;
            said.seen |= match name {
                "host" if said.has(Self::HOST) => Self::HOSTS,
                "host" => Self::HOST,
                "transfer-encoding" => Self::CODING,
                "x-request-id" => Self::ID,
                "traceparent" => Self::TRACE,
                "x-request-timeout-ms" | "grpc-timeout" => Self::TIMEOUT,
                "idempotency-key" => Self::IDEMPOTENT,
                "content-type" => Self::KIND,
                "x-forwarded-for" | "forwarded" => Self::FORWARDED,
                "authorization" | "cookie" | "x-api-key" | "proxy-authorization" => Self::CREDENTIAL,
                _ => 0,
            };
        }
        said
    }

    /// Whether there is one of these fields.
    pub(crate) fn has(self, fields: u16) -> bool {
        self.seen & fields != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, u16); 14] = [
        ("host", Said::HOST),
        ("transfer-encoding", Said::CODING),
        ("content-type", Said::KIND),
        ("x-request-id", Said::ID),
        ("traceparent", Said::TRACE),
        ("x-request-timeout-ms", Said::TIMEOUT),
        ("grpc-timeout", Said::TIMEOUT),
        ("idempotency-key", Said::IDEMPOTENT),
        ("x-forwarded-for", Said::FORWARDED),
        ("forwarded", Said::FORWARDED),
        ("authorization", Said::CREDENTIAL),
        ("cookie", Said::CREDENTIAL),
        ("x-api-key", Said::CREDENTIAL),
        ("proxy-authorization", Said::CREDENTIAL),
    ];

    #[test]
    fn each_field_is_seen_by_its_name_in_any_case() {
        for (name, field) in FIELDS {
            for name in [name.to_owned(), name.to_uppercase()] {
                let name: http::HeaderName = name.parse().unwrap();
                let headers = HeaderMap::from_iter([(name, "1".parse().unwrap())]);
                let said = Said::of(&headers);
                for (_, other) in FIELDS {
                    assert_eq!(said.has(other), other == field);
                }
            }
        }
        assert_eq!(Said::of(&HeaderMap::new()), Said::default());
    }

    #[test]
    fn a_host_that_stands_twice_is_seen() {
        let mut headers = HeaderMap::new();
        for (value, twice) in [("a.example", false), ("a.example", true)] {
            headers.append("host", value.parse().unwrap());
            assert_eq!(Said::of(&headers).has(Said::HOSTS), twice);
        }
    }

    #[test]
    fn sizes_are_those_on_the_wire() {
        let mut headers = HeaderMap::new();
        headers.append("host", "a.example".parse().unwrap());
        headers.append("accept", "a".parse().unwrap());
        headers.append("accept", "".parse().unwrap());
        let wire = "host: a.example\r\naccept: a\r\naccept: \r\n".len();
        assert_eq!(Said::of(&headers).size, wire as u64);
    }
}
