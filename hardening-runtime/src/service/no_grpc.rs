//! A binary that was built without gRPC: its requests are like all others.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::account::Account;
use super::client::Client;
use super::problem::Problem;
use super::route::Live;
use super::server::Server;
use crate::settings::Http;

/// Nobody watches health.
#[derive(Debug)]
pub(super) struct Watchers;

impl Watchers {
    pub(super) const fn new(_: &Http) -> Self {
        Self
    }
}

pub(super) fn reading<T>(poll: impl FnOnce() -> T) -> (T, bool) {
    (poll(), false)
}

pub(super) fn is(_: &Server, _: &Parts) -> bool {
    false
}

pub(super) fn over_old_http(_: &Server, _: &Parts) -> Option<Problem> {
    None
}

pub(super) fn is_web(_: &Server, _: &Parts) -> bool {
    false
}

pub(super) fn unread(_: &str) -> Response {
    Response::default()
}

pub(super) fn asks_health(_: &Server, _: &Parts) -> bool {
    false
}

pub(super) fn code_of(_: &HeaderMap) -> Option<u8> {
    None
}

pub(super) fn prepared(routes: Router) -> (Router, usize) {
    (routes, 0)
}

#[expect(clippy::unused_async, reason = "the signature of the one that is there")]
pub(super) async fn health(_: &Arc<Server>, _: &Parts, _: Incoming, _: Client, _: &mut Account) -> Response {
    Response::default()
}

pub(super) fn bounded(_: Incoming) -> Body {
    Body::empty()
}

#[expect(clippy::unused_async, reason = "the signature of the one that is there")]
pub(super) async fn answered(response: Response, _: &Arc<Live>, _: Option<Instant>, _: bool) -> Response {
    response
}

pub(super) fn as_status(response: Response) -> Response {
    response
}
