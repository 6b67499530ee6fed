//! What the service does now: one answer, made from counters that are kept anyway.

use hardening_spec::units::show;
use hardening_spec::{BulkheadSpec, RateLimitSpec};
use http::Method;
use serde_json::{Map, Value, json};

use super::{Console, access};
use crate::catalogue;
use crate::clock::{self, Nanos};
use crate::policy::bulkhead::Bulkhead;
use crate::policy::circuit_breaker::{Circuit, CircuitBreaker, CircuitState};
use crate::policy::rate_limit::Limiter;
use crate::policy::shared::{self, Metered};
use crate::service::manifest;
use crate::service::route_limits::OfRoute;
use crate::service::server::Server;
use crate::settings::forms::rate;
use crate::settings::keys;
use crate::site::{OtherBreakers, Site, State};
use crate::telemetry::calls::CallOutcome;
use crate::telemetry::histogram::BOUNDS;
use crate::telemetry::http::Shown;
use crate::telemetry::{recent, redact};

/// The state; `known` says whether whoever asks has the token.
pub(super) fn of(server: &Server, console: &Console, known: bool) -> Value {
    let now = clock::now();
    let mut sites: Vec<&'static Site> = catalogue::sites().collect();
    sites.sort_by_key(|site| site.name());
    let sites: Vec<(&'static Site, &'static State)> =
        sites.into_iter().map(|site| (site, site.shown())).collect();
    let admin = console.admin();
    let (refusals, missed) = recent::refusals();
    let (revision, overrides) = console.reloader.look(|in_force| (in_force.revision, in_force.console.len()));
    json!({
        "service": {
            "name": server.settings.service.name,
            "version": server.version,
            "commit": redact::text(&server.settings.service.commit),
            "rustc": env!("HARDENING_RUSTC"),
            "uptime_ms": millis(now.saturating_sub(console.began)),
            "stage": format!("{:?}", *server.stages().borrow()),
            "requests_in_flight": server.stats.in_flight(),
        },
        "access": {
            "can_act": known,
            "has_token": admin.token.is_set(),
            "open": access::is_open(&admin, console.loopback),
        },
        "revision": revision,
        "overrides": overrides,
        "bounds_ms": BOUNDS.map(|(bound, _)| bound as f64 / 1e6),
        "calls": sites.iter().map(|(site, state)| call(site, state)).collect::<Vec<_>>(),
        "circuits": circuits(&sites, now),
        "limits": limits(&sites),
        "bulkheads": bulkheads(&sites),
        "checks": server.health.list(now, true),
        "tasks": server.tasks.describe(true),
        "routes": routes(server),
        "upgraded": server.upgrades.by_route().into_iter().map(|(protocol, route, count)| json!({
            "protocol": protocol.name(),
            "route": &*route,
            "count": count,
        })).collect::<Vec<_>>(),
        "lingering": server.lingering().into_iter().map(|(what, count)| json!({
            "what": what,
            "count": count,
        })).collect::<Vec<_>>(),
        "transitions": recent::transitions().iter().rev().map(|change| json!({
            "number": change.number,
            "age_ms": millis(now.saturating_sub(change.at)),
            "circuit": change.circuit,
            "from": change.from,
            "to": change.to,
        })).collect::<Vec<_>>(),
        "refusals": refusals.iter().rev().map(|refused| json!({
            "number": refused.number,
            "age_ms": millis(now.saturating_sub(refused.last)),
            "lasted_ms": millis(refused.last.saturating_sub(refused.first)),
            "call": refused.call,
            "kind": refused.kind,
            "count": refused.count,
        })).collect::<Vec<_>>(),
        "refusals_not_listed": missed,
        "audit": console.audit.list(now),
    })
}

/// What each route has answered, and the limits in force for it. Of those without requests, the ones that have limits of their
/// own.
fn routes(server: &Server) -> Vec<Value> {
    let own = |name: &str| server.routes.iter().find(|route| route.pattern == name);
    let mut shown = server.stats.shown();
    // What no route matches is there always.
    shown.retain(|route| route.in_flight > 0 || !route.answers.is_empty() || own(&route.route).is_some());
    for route in server.routes.iter() {
        if !shown.iter().any(|one| one.route == route.pattern) {
            shown.push(Shown::unasked(&route.pattern));
        }
    }
    shown
        .iter()
        .map(|route| {
            json!({
                "name": route.route,
                "in_flight": route.in_flight,
                "outcomes": route.answers,
                "below": route.below,
                "limits": limits_of(server, &route.route, own(&route.route)),
            })
        })
        .collect()
}

/// The limits in force for one route, and which of them are its own.
fn limits_of(server: &Server, name: &str, route: Option<&OfRoute>) -> Value {
    // A pattern matches itself.
    let files = server.settings.http.rate_limit.is_some() && server.mounts.may_be_file(&Method::GET, name);
    let rate = if files { "static_rate_limit" } else { "rate_limit" };
    let of_all = ["body_limit", "body_timeout", "request_timeout", "write_timeout", rate];
    let settings = keys::SETTINGS.iter().filter(|setting| setting.section == "http");
    let mut limits: Map<String, Value> = settings
        .filter(|setting| of_all.contains(&setting.key))
        .map(|setting| {
            let key = if setting.key == rate { "rate_limit" } else { setting.key };
            (key.to_owned(), json!({ "value": (setting.show)(&server.settings), "own": false }))
        })
        .collect();
    if let Some(Value::Object(own)) = route.map(|route| manifest::limits(&route.limits)) {
        for (key, value) in own {
            limits.insert(key, json!({ "value": value, "own": true }));
        }
    }
    limits.into()
}

const fn millis(time: Nanos) -> u64 {
    time / 1_000_000
}

fn call(site: &Site, state: &State) -> Value {
    let metrics = &state.metrics;
    let counted = CallOutcome::ALL.into_iter().map(|outcome| (outcome, metrics.calls(outcome)));
    let outcomes: Map<String, Value> = counted
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.name().to_owned(), count.into()))
        .collect();
    json!({
        "name": state.name,
        "place": format!("{}:{}", site.place().file, site.place().line),
        "in_flight": metrics.in_flight(),
        "outcomes": outcomes,
        "retries": metrics.retries(),
        "below": metrics.duration().read().0,
    })
}

/// Those of the calls, then those that are shared.
fn circuits(sites: &[(&'static Site, &'static State)], now: Nanos) -> Value {
    let own = sites.iter().filter_map(|(site, state)| {
        let path = json!(["call", state.name, "circuit_breaker"]);
        let spec = site.own().circuit_breaker;
        let mut written = match (state.breaker.one, &state.breaker.other) {
            (Some(breaker), _) if breaker.name() == state.name => one(breaker, now),
            (_, Some(OtherBreakers::Keyed(keyed))) => {
                let counts = CircuitState::ALL.into_iter().zip(keyed.states(now));
                let states: Map<String, Value> = counts
                    .filter(|(_, count)| *count > 0)
                    .map(|(state, count)| (state.name().to_owned(), count.into()))
                    .collect();
                json!({ "kind": "keyed", "states": states })
            }
            (_, Some(OtherBreakers::Throttle(throttle))) => {
                let (allowed, refused) = throttle.decisions();
                json!({ "kind": "adaptive", "allowed": allowed, "refused": refused })
            }
            _ => return None,
        };
        written["name"] = state.name.into();
        written["path"] = path;
        written["on"] = spec.is_some().into();
        written["mode"] = spec.map(|spec| spec.mode.name()).into();
        Some(written)
    });
    let shared = shared::policies().into_iter().filter_map(|policy| {
        let Metered::Breaker(breaker) = policy.metered() else { return None };
        let spec = policy.effective().circuit_breaker;
        let mut written = one(breaker, now);
        written["name"] = policy.name().into();
        written["path"] = json!(["policy", policy.name()]);
        written["on"] = spec.is_some().into();
        written["mode"] = spec.map(|spec| spec.mode.name()).into();
        Some(written)
    });
    own.chain(shared).collect()
}

fn one(breaker: &'static CircuitBreaker, now: Nanos) -> Value {
    let (calls, failed, slow) = breaker.window_counts(now);
    json!({
        "kind": "one",
        "state": breaker.state(now).name(),
        "calls": calls,
        "failed": failed,
        "slow": slow,
        "retry_after_ms": Circuit(breaker).retry_after().as_millis() as u64,
    })
}

fn limits(sites: &[(&'static Site, &'static State)]) -> Value {
    let own = sites.iter().flat_map(|(site, state)| {
        let own = state.limits().filter(|charged| !charged.shared);
        own.map(|charged| {
            let at = usize::from(charged.position);
            let policy = if at == 0 { "rate_limited".to_owned() } else { format!("rate_limited_{}", at + 1) };
            let name = if at == 0 { state.name.to_owned() } else { format!("{} ({policy})", state.name) };
            let declared = site.declared().rate_limits[at];
            limit(
                &name,
                &json!(["call", state.name, policy]),
                charged.limiter,
                site.own().rate_limits[at],
                declared,
            )
        })
    });
    let shared = shared::policies().into_iter().filter_map(|policy| {
        let Metered::Limiter(limiter) = policy.metered() else { return None };
        let name = policy.name();
        let spec = policy.effective().rate_limits[0];
        Some(limit(name, &json!(["policy", name]), limiter, spec, policy.declared().rate_limits[0]))
    });
    own.chain(shared).collect()
}

fn limit(
    name: &str,
    path: &Value,
    limiter: &Limiter,
    spec: Option<RateLimitSpec>,
    declared: Option<RateLimitSpec>,
) -> Value {
    let (allowed, refused, overflow) = limiter.counts();
    let numbers = spec.or(declared);
    json!({
        "name": name,
        "path": path,
        "on": spec.is_some(),
        "rate": numbers.map(|spec| rate(spec.rate)),
        "burst": numbers.map(|spec| spec.burst()),
        "keyed": numbers.is_some_and(|spec| spec.keyed),
        "keys": limiter.keys(),
        "allowed": allowed,
        "refused": refused,
        "overflow": overflow,
    })
}

fn bulkheads(sites: &[(&'static Site, &'static State)]) -> Value {
    let own = sites.iter().filter(|(_, state)| !state.shares_bulkhead).filter_map(|(site, state)| {
        let occupied = state.bulkhead.occupancy()?;
        let path = json!(["call", state.name, "bulkhead"]);
        Some(bulkhead(state.name, &path, occupied, site.own().bulkhead, site.declared().bulkhead))
    });
    let shared = shared::policies().into_iter().filter_map(|policy| {
        let Metered::Bulkhead(one) = policy.metered() else { return None };
        let name = policy.name();
        let declared = policy.declared().bulkhead;
        Some(bulkhead(name, &json!(["policy", name]), occupied(one), policy.effective().bulkhead, declared))
    });
    own.chain(shared).collect()
}

fn occupied(bulkhead: &Bulkhead) -> (u32, u32, u32) {
    (bulkhead.max(), bulkhead.running(), bulkhead.waiting())
}

fn bulkhead(
    name: &str,
    path: &Value,
    (places, running, waiting): (u32, u32, u32),
    spec: Option<BulkheadSpec>,
    declared: Option<BulkheadSpec>,
) -> Value {
    let numbers = spec.or(declared);
    json!({
        "name": name,
        "path": path,
        "on": spec.is_some(),
        "places": places,
        "running": running,
        "waiting": waiting,
        "max": numbers.map(|spec| spec.max),
        "queue": numbers.map(|spec| spec.queue),
        "max_wait": numbers.and_then(|spec| spec.max_wait).map(show),
        "keyed": numbers.is_some_and(|spec| spec.keyed),
        "adaptive": numbers.is_some_and(|spec| spec.adaptive.is_some()),
    })
}
