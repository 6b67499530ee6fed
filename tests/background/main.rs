//! Background tasks, secrets and what is never told. Tasks belong to every service of a program, so these services have one
//! of their own.
#![cfg(feature = "service")]

mod app;
#[path = "../operations/client.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod client;
mod planted;
#[path = "../service/ports.rs"]
mod ports;
#[path = "../operations/process.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod process;
mod provider;
mod rotation;
mod settings;
mod shutdown;
mod support;
