//! Kinds of error that contain one another.

use hardening::Rejected;

/// Kinds of error that contain one another: `E0` > `E1` > `E2`, each with a further kind `S`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Plain,
    Runtime,
    E0(E0),
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum E0 {
    Plain,
    S,
    E1(E1),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum E1 {
    Plain,
    S,
    E2(E2),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum E2 {
    Plain,
    S,
}

impl From<Rejected> for Fault {
    fn from(_: Rejected) -> Self {
        Self::Rejected
    }
}

/// Every kind that a body fails with.
pub(crate) const KINDS: [Fault; 8] = [
    Fault::Plain,
    Fault::Runtime,
    Fault::E0(E0::Plain),
    Fault::E0(E0::S),
    Fault::E0(E0::E1(E1::Plain)),
    Fault::E0(E0::E1(E1::S)),
    Fault::E0(E0::E1(E1::E2(E2::Plain))),
    Fault::E0(E0::E1(E1::E2(E2::S))),
];
