//! The rules between the numbers of a call, for attributes at compile time and settings at start-up.
