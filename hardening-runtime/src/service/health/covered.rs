//! Routes of the program at the paths of probes.

use super::PATHS;
use crate::service::mounts::Mounts;

/// Says which paths of probes the program has routes for, and who answers there. `chosen` is whether settings say where probes are
/// answered, so that nobody need be told of it.
pub(crate) fn say_covered(mounts: &Mounts, probes: &[String], chosen: bool) {
    let probes = || PATHS.into_iter().filter(|path| probes.iter().any(|probe| probe == path));
    for path in probes().filter(|path| mounts.has(path)) {
        tracing::warn!(
            "`{path}` is a route of the program: it answers in place of the probe where the service is served; the admin \
             listener's `{path}` is the probe"
        );
    }
    if chosen {
        return;
    }
    let mut covered: Vec<(&str, Vec<&str>)> = Vec::new();
    for path in probes().filter(|path| !mounts.has(path)) {
        let Some(by) = mounts.of(path) else { continue };
        match covered.iter_mut().find(|(known, _)| *known == by) {
            Some((_, paths)) => paths.push(path),
            None => covered.push((by, vec![path])),
        }
    }
    for (by, paths) in covered {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        let told = format!(
            "`{by}` of the program is not asked for {}, where the service answers probes; `health.paths` names those that are to be \
             answered there, and leaves the others to the program",
            paths.join(", ")
        );
        // What stands for all that is nowhere else seldom means these.
        if by.contains('*') {
            tracing::info!("{told}");
        } else {
            tracing::warn!("{told}");
        }
    }
}
