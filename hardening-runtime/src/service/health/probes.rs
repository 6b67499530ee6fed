//! What the probes answer; never more than a look at the last reports.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Health, Report};
use crate::clock::{self, Nanos};
use crate::telemetry::redact;

/// One of the three questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Does the process turn?
    Live,
    /// May it be sent requests?
    Ready,
    /// Has it started?
    Startup,
}

/// The paths of probes.
pub(crate) const PATHS: [&str; 8] =
    ["/livez", "/live", "/health", "/healthz", "/readyz", "/ready", "/health/ready", "/startupz"];

/// The question that a path asks. `/health` asks for liveness: whoever restarts by it must not restart an
/// instance that is merely not ready.
pub(crate) fn probe_of(path: &str) -> Option<(Probe, &'static str)> {
    match path {
        "/livez" => Some((Probe::Live, "/livez")),
        "/live" => Some((Probe::Live, "/live")),
        "/health" => Some((Probe::Live, "/health")),
        "/healthz" => Some((Probe::Live, "/healthz")),
        "/readyz" => Some((Probe::Ready, "/readyz")),
        "/ready" => Some((Probe::Ready, "/ready")),
        "/health/ready" => Some((Probe::Ready, "/health/ready")),
        "/startupz" => Some((Probe::Startup, "/startupz")),
        _ => None,
    }
}

impl Health {
    /// Status and JSON body. `verbose` lists the checks; `errors` also says why they fail, which may tell of the
    /// internals.
    pub(crate) fn answer(&self, probe: Probe, verbose: bool, errors: bool) -> (StatusCode, Value) {
        let now = clock::now();
        let (good, name) = match probe {
            Probe::Live => (true, "live"),
            Probe::Ready => (self.ready(now), "ready"),
            Probe::Startup => (self.started(), "started"),
        };
        let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let word = if good { name.to_owned() } else { format!("not {name}") };
        let mut body = json!({ "status": word });
        if self.draining.load(std::sync::atomic::Ordering::Acquire) {
            body["draining"] = Value::Bool(true);
        }
        if verbose {
            body["checks"] = self.list(now, errors);
        }
        (status, body)
    }

    /// Every check with its last report.
    pub(crate) fn list(&self, now: Nanos, errors: bool) -> Value {
        self.checks.iter().map(|state| describe(state.check, &state.report(), now, errors)).collect()
    }
}

fn describe(check: &super::HealthCheck, report: &Report, now: Nanos, errors: bool) -> Value {
    let mut written = json!({
        "name": check.name,
        "kind": check.kind.name(),
        "up": report.up(check, now),
        "known": !report.state.is_unknown(),
        "stale": report.stale(check.every, now),
        "age_ms": report.at.map(|at| now.saturating_sub(at) / 1_000_000),
    });
    if errors && let Some(error) = &report.error {
        written["error"] = Value::String(redact::text(error).into_owned());
    }
    written
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CheckKind, HealthCheck};
    use super::*;

    const fn check(name: &'static str, kind: CheckKind) -> HealthCheck {
        HealthCheck {
            name,
            kind,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            down_after: 1,
            up_after: 1,
            module: "test",
            krate: "test",
            file: "src/lib.rs",
            line: 1,
            run: |_| Ok(Box::pin(std::future::pending())),
        }
    }

    static OWN: HealthCheck = check("own", CheckKind::Ready);
    static SHARED: HealthCheck = check("shared", CheckKind::Degraded);
    static WARM: HealthCheck = check("warm", CheckKind::Startup);

    fn statuses(health: &Health) -> [u16; 3] {
        [Probe::Live, Probe::Ready, Probe::Startup].map(|probe| health.answer(probe, false, false).0.as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_check_decides_its_own_probe() {
        let health = Health::new(&[&OWN, &SHARED, &WARM]);
        let [own, shared, warm] = [0, 1, 2].map(|at| &health.checks()[at]);
        assert_eq!(statuses(&health), [200, 503, 503]);
        health.set_up();
        warm.record(Ok(()));
        assert_eq!(statuses(&health), [200, 503, 200], "the check for readiness has not run");
        own.record(Ok(()));
        assert_eq!(statuses(&health), [200, 200, 200]);
        shared.record(Err("connection to 10.0.0.1 refused".to_owned()));
        assert_eq!(statuses(&health), [200, 200, 200], "a shared dependency never takes an instance out");
        own.record(Err("disk full".to_owned()));
        assert_eq!(statuses(&health), [200, 503, 200]);
        own.record(Ok(()));
        health.drain();
        assert_eq!(statuses(&health), [200, 503, 200], "a process that drains is alive");
    }

    #[tokio::test(start_paused = true)]
    async fn i_68_no_instance_is_unready_for_a_dependency_that_all_of_them_share() {
        let instances = [(); 3].map(|()| Health::new(&[&OWN, &SHARED]));
        for health in &instances {
            health.set_up();
            health.checks()[0].record(Ok(()));
        }
        // It was never there, it goes, and its report grows old.
        for step in 0..3 {
            for health in &instances {
                assert_eq!(statuses(health), [200, 200, 200], "{step}");
                if step == 1 {
                    health.checks()[1].record(Ok(()));
                }
                health.checks()[1].record(Err("gone".to_owned()));
                assert_eq!(statuses(health), [200, 200, 200], "{step}");
                assert_eq!(health.list(clock::now(), false)[1]["up"], false);
            }
            tokio::time::advance(Duration::from_secs(16)).await;
        }
        // What is an instance's own takes out that one alone.
        instances[0].checks()[0].record(Err("disk full".to_owned()));
        assert_eq!(instances.each_ref().map(|health| statuses(health)[1]), [503, 200, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn i_69_an_old_report_counts_as_down_for_shared_dependencies_only() {
        let health = Health::new(&[&OWN, &SHARED]);
        health.set_up();
        health.checks()[0].record(Ok(()));
        health.checks()[1].record(Ok(()));
        tokio::time::advance(Duration::from_millis(15_001)).await;
        let mut metrics = String::new();
        health.render(&mut metrics);
        assert!(metrics.contains("health_check_up{check=\"own\",kind=\"ready\"} 1"), "{metrics}");
        assert!(metrics.contains("health_check_up{check=\"shared\",kind=\"degraded\"} 0"), "{metrics}");
        assert_eq!(health.answer(Probe::Ready, false, false).0, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn reasons_are_for_the_admin_alone() {
        let health = Health::new(&[&SHARED]);
        health.checks()[0].record(Err("connection to 10.0.0.1 refused".to_owned()));
        let (_, public) = health.answer(Probe::Live, true, false);
        let (_, admin) = health.answer(Probe::Live, true, true);
        let (public, admin) = (public.to_string(), admin.to_string());
        assert!(public.contains("\"shared\"") && !public.contains("10.0.0.1"), "{public}");
        assert!(admin.contains("10.0.0.1"), "{admin}");
    }
}
