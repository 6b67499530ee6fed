//! Load shedding: how many requests the routes work on at once, and which are refused when there are more.

mod gate;
mod pace;
mod priority;
mod seat;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;

use self::gate::{Gate, Told};
use self::pace::Pace;
pub(crate) use self::pace::Usual;
pub use self::priority::Priority;
pub(crate) use self::seat::Seat;
use super::problem::Problem;
use super::route::Live;
use crate::clock::{self, Nanos};
use crate::policy::rate_limit::hash_key;
use crate::settings::{self, ShedLimit};
use crate::telemetry::text::Family;

/// When a refused client may try again.
const AGAIN: Duration = Duration::from_secs(1);

/// What one service sheds.
#[derive(Debug)]
pub(crate) struct Shed {
    limit: Limit,
    gate: Gate,
    refused: [AtomicU64; Priority::ALL.len()],
    /// By the pattern of the route.
    routes: HashMap<String, Priority>,
}

#[derive(Debug)]
enum Limit {
    Off,
    Fixed(u32),
    Adaptive(Pace),
}

impl Shed {
    /// What settings ask for; `declared` are the routes that code has named, which settings win over.
    pub(crate) fn new(settings: &settings::Shed, declared: Vec<(String, Priority)>) -> Self {
        let limit = match settings.limit {
            ShedLimit::Off => Limit::Off,
            ShedLimit::Fixed => Limit::Fixed(settings.max),
            ShedLimit::Adaptive => Limit::Adaptive(Pace::new(settings.min, settings.max)),
        };
        let mut routes: HashMap<_, _> = declared.into_iter().collect();
        for (patterns, priority) in [
            (&settings.background, Priority::Background),
            (&settings.low, Priority::Low),
            (&settings.high, Priority::High),
            (&settings.critical, Priority::Critical),
        ] {
            routes.extend(patterns.iter().map(|pattern| (pattern.clone(), priority)));
        }
        Self { limit, gate: Gate::new(clock::now()), refused: Default::default(), routes }
    }

    /// How much requests of this route matter.
    pub(crate) fn of(&self, pattern: &str) -> Priority {
        self.routes.get(pattern).copied().unwrap_or_default()
    }

    /// Lets a request in, with a place that it gives back if there is a limit.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) fn admit(
        live: Arc<Live>,
        priority: Priority,
        usual: &Arc<Usual>,
    ) -> Result<Option<Place>, Overloaded> {
        let this = &live.server.shed;
        let limit = match &this.limit {
            Limit::Off => return Ok(None),
            Limit::Fixed(most) => *most,
            Limit::Adaptive(pace) => pace.limit(),
        };
        let priority = live.priority.unwrap_or(priority);
        let user = live.request.principal.as_ref().map_or(live.client, |principal| hash_key(&principal.id));
        let adapts = matches!(this.limit, Limit::Adaptive(_));
        // Only who a caller is may have taken time to find.
        let now = if adapts || live.server.auth.is_some() { clock::now() } else { live.began };
        match this.gate.enter(priority.level(user), limit, now) {
            Told::Enter => {
                let usual = adapts.then(|| Arc::clone(usual));
                live.seat.take();
                Ok(Some(Place { live, usual, began: now, answered: false }))
            }
            Told::Leave => {
                this.refused[priority as usize].fetch_add(1, Ordering::Relaxed);
                Err(Overloaded)
            }
        }
    }

    /// A request that was let in waits for its client's body, and is nobody's work meanwhile: else clients whose bodies do not come
    /// would keep everybody out.
    pub(crate) fn goes_away(&self) {
        self.gate.leave();
    }

    /// The same one is worked on again. It was let in already.
    pub(crate) fn comes_back(&self) {
        self.gate.come_back();
    }

    /// Writes its metrics.
    pub(crate) fn render(&self, out: &mut String) {
        let mut family =
            Family::counter(out, "http_shed_total", "Requests refused because the service had enough to do.");
        for priority in Priority::ALL {
            let count = self.refused[priority as usize].load(Ordering::Relaxed);
            family.sample(&[("class", priority.name())], count);
        }
        let limit = match &self.limit {
            Limit::Off => return,
            Limit::Fixed(most) => *most,
            Limit::Adaptive(pace) => pace.limit(),
        };
        let told = "How many requests the routes may work on at once.";
        Family::gauge(out, "http_concurrency_limit", told).sample(&[], limit);
    }
}

/// A place among the requests that are worked on; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    live: Arc<Live>,
    /// How long requests like it take, where the limit is found from that.
    usual: Option<Arc<Usual>>,
    began: Nanos,
    answered: bool,
}

impl Place {
    /// The answer's head is ready. What failed says nothing about how long an answer takes.
    pub(crate) fn answered(mut self, status: StatusCode) {
        self.answered = true;
        if !status.is_server_error() {
            self.sample(false);
        }
    }

    fn sample(&self, cut: bool) {
        let shed = &self.live.server.shed;
        if let (Limit::Adaptive(pace), Some(usual)) = (&shed.limit, &self.usual) {
            let now = clock::now();
            let took = now.saturating_sub(self.began).saturating_sub(self.live.seat.waited(now));
            pace.sample(usual, took, cut, shed.gate.inside(), now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A client that went away says nothing; a deadline that passed does.
        if !self.answered && clock::now() >= self.live.deadline {
            self.sample(true);
        }
        if self.live.seat.give_up() {
            self.live.server.shed.gate.leave();
        }
    }
}

/// The service has enough to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded;

impl Overloaded {
    /// The answer to the request of this id.
    pub(crate) fn answer(id: &str) -> Response {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .kind("urn:hardening:problem:overloaded")
            .detail("The service is working on as much as it can at once.")
            .spread_retry_after(AGAIN)
            .answer(Some(id))
    }
}
