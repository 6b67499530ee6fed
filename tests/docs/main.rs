//! The documentation against what it documents: tables are generated, pages complete, links alive.
#![cfg(feature = "service")]

mod blocks;
mod pages;
mod promtool;
mod statuses;
mod supply;
mod tables;
mod threats;
