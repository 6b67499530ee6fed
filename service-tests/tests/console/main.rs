//! The console on the admin listener: what it shows, who may act, and what an action changes.

mod app;

mod access;
mod actions;
mod browser;
mod state;
