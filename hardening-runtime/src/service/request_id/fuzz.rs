//! Whatever clients name their requests.

use http::HeaderValue;

use super::*;
use crate::fuzzing::run;

#[test]
fn request_ids() {
    let seeds: &[&[u8]] = &[b"abc-123_X.y:z", b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"];
    run("x-request-id", seeds, &[b"-", b"\"", b"\\n", b"{", b":"], |value| {
        let Ok(field) = HeaderValue::from_bytes(value) else { return };
        let headers = HeaderMap::from_iter([(REQUEST_ID, field)]);
        let id = of(&headers, Said::of(&headers), clock::now());
        assert!(well_formed(id.as_bytes()), "{id:?}");
        assert_eq!(id.as_bytes() == value, well_formed(value), "{id:?}");
    });
}
