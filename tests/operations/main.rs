//! The service as its operators see it: settings, signals and the end, and the binary as its own tool.
#![cfg(feature = "service")]

mod app;
mod client;
mod office;
#[path = "../service/ports.rs"]
mod ports;
mod process;
mod support;
#[cfg(unix)]
mod systemd;

mod calls;
mod configuration;
mod console;
mod describe;
mod environment;
mod files;
mod forced;
mod hooks;
mod load;
mod places;
mod references;
mod reload;
mod shutdown;
mod signals;
mod start;
mod telemetry;
mod tool;
