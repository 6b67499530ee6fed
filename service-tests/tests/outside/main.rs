//! Programs that others wrote in front of the service, and as its clients: proxies, a browser, another language's `WebSocket`s.

mod app;
mod clients;
mod proxies;
