//! Connections to others, with what every service needs of them built in.

pub mod http;
