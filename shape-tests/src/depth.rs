//! Chains of functions that call each other.
