//! The shop on free ports.

use hardening::Running;

use super::app::{DEPENDENCIES, Dependencies, shop};

/// The shop on free ports under these settings.
pub(crate) async fn start(settings: &str) -> Running {
    start_with(Dependencies::default(), settings).await
}

pub(crate) async fn start_with(dependencies: Dependencies, settings: &str) -> Running {
    let started = DEPENDENCIES.scope(dependencies, shop().with_settings(settings).start()).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}
