//! What set-up code may return: gRPC services, alone or beside HTTP routes.

use axum::Router;
use tonic::service::Routes;

use crate::service::spec::{App, BoxError, IntoApp, Result};

impl IntoApp for Routes {
    fn into_app(self) -> Result<App> {
        (Router::new(), self).into_app()
    }
}

/// Both on one port: what is gRPC by its content type goes to the services, all else to the routes.
impl IntoApp for (Router, Routes) {
    fn into_app(self) -> Result<App> {
        let (http, grpc) = self;
        Ok(App { http, grpc: Some(grpc.into_axum_router()) })
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoApp for std::result::Result<Routes, E> {
    fn into_app(self) -> Result<App> {
        self.map_err(Into::into)?.into_app()
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoApp for std::result::Result<(Router, Routes), E> {
    fn into_app(self) -> Result<App> {
        self.map_err(Into::into)?.into_app()
    }
}
