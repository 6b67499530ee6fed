//! Limits of single routes, looked up by the path of a request before its body is read.

use std::sync::Arc;
use std::time::Duration;

use matchit::Router;

use super::shed::Priority;
use crate::settings::{Http, Route, RouteLimits};

/// The routes that have limits of their own. Where none has, a look costs nothing.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    by_path: Router<usize>,
    routes: Vec<Arc<OfRoute>>,
}

/// What holds for the requests of one route.
#[derive(Debug)]
pub(crate) struct OfRoute {
    pub(crate) pattern: String,
    /// Its place in the table.
    pub(crate) at: usize,
    pub(crate) limits: RouteLimits,
}

/// A pattern as the table keeps it: `/static/*` stands for all that begins so.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn pattern_of(pattern: &str) -> Result<String, String> {
    if !pattern.starts_with('/') {
        return Err(format!("a pattern of a route begins with `/`: write `/{pattern}`"));
    }
    let whole = match pattern.strip_suffix("/*") {
        Some(begin) => format!("{begin}/{{*rest}}"),
        None => pattern.to_owned(),
    };
    let mut table = Router::new();
    table
        .insert(whole.clone(), ())
        .map_err(|error| format!("`{pattern}` is no pattern of a route: {error}"))?;
    Ok(whole)
}

impl RouteTable {
    /// What code declares, and settings over it.
    ///
    /// # Errors
    /// With the pattern that cannot be one of a route, or means the same as another.
    pub(crate) fn new(declared: Vec<Route>, settings: &[Route]) -> Result<Self, String> {
        let mut routes: Vec<Route> = Vec::new();
        for Route { pattern, limits } in declared.into_iter().chain(settings.iter().cloned()) {
            match routes.iter_mut().find(|route| route.pattern == pattern) {
                Some(route) => route.limits = std::mem::take(&mut route.limits).under(limits),
                None => routes.push(Route { pattern, limits }),
            }
        }
        let mut table = Self { by_path: Router::new(), routes: Vec::new() };
        for (at, Route { pattern, limits }) in routes.into_iter().enumerate() {
            let wrong = |why: String| format!("the limits of the route `{pattern}`: {why}");
            let whole = pattern_of(&pattern).map_err(wrong)?;
            table.by_path.insert(whole, at).map_err(|error| wrong(error.to_string()))?;
            table.routes.push(Arc::new(OfRoute { pattern, at, limits }));
        }
        Ok(table)
    }

    /// The limits of the route that a path belongs to, if it has some.
    #[inline]
    pub(crate) fn of(&self, path: &str) -> Option<Arc<OfRoute>> {
        if self.routes.is_empty() {
            return None;
        }
        let found = self.by_path.at(path).ok()?;
        self.routes.get(*found.value).map(Arc::clone)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OfRoute> {
        self.routes.iter().map(|route| &**route)
    }

    /// What each says of how much it matters.
    pub(crate) fn priorities(&self) -> impl Iterator<Item = (String, Priority)> {
        self.iter().filter_map(|route| Some((route.pattern.clone(), route.limits.priority?)))
    }

    /// What is doubtful: requests that may take longer than the shutdown waits for them.
    pub(crate) fn warnings(&self, drain: Duration) -> Vec<String> {
        let long = self.iter().filter_map(|route| Some((route, route.limits.request_timeout?)));
        let show = hardening_spec::units::show;
        long.filter(|(_, longest)| *longest > drain)
            .map(|(route, longest)| {
                format!(
                    "requests of `{}` may take {}, but a shutdown waits {} for them: those that take longer are cut then; \
                     raise `shutdown.drain` and `shutdown.grace`, or lower the route's `request_timeout`",
                    route.pattern,
                    show(longest),
                    show(drain)
                )
            })
            .collect()
    }
}

/// What holds for one request: of its route, or else of all.
impl OfRoute {
    pub(crate) fn body_limit(this: Option<&Self>, http: &Http) -> u64 {
        this.and_then(|route| route.limits.body_limit).unwrap_or(http.body_limit)
    }

    pub(crate) fn body_timeout(this: Option<&Self>, http: &Http) -> Duration {
        this.and_then(|route| route.limits.body_timeout).unwrap_or(http.body_timeout)
    }

    pub(crate) fn write_timeout(this: Option<&Self>, http: &Http) -> Duration {
        this.and_then(|route| route.limits.write_timeout).unwrap_or(http.write_timeout)
    }

    pub(crate) fn request_timeout(this: Option<&Self>, http: &Http) -> Duration {
        this.and_then(|route| route.limits.request_timeout).unwrap_or(http.request_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(pattern: &str, limits: RouteLimits) -> Route {
        Route { pattern: pattern.to_owned(), limits }
    }

    #[test]
    fn a_path_has_the_limits_of_its_route() {
        let small = || RouteLimits::new().body_limit(1);
        let declared = vec![
            route("/upload/{id}", small().request_timeout(Duration::from_mins(1))),
            route("/static/*", RouteLimits::new().no_rate_limit()),
            route("/", small()),
        ];
        let settings =
            [route("/upload/{id}", RouteLimits::new().body_limit(2)), route("/upload/new", small())];
        let table = RouteTable::new(declared, &settings).expect("right");
        let of = |path: &str| table.of(path).map(|route| route.pattern.clone());
        for (path, pattern) in [
            ("/upload/7", Some("/upload/{id}")),
            ("/upload/new", Some("/upload/new")),
            ("/upload/7/8", None),
            ("/static/css/app.css", Some("/static/*")),
            ("/static", None),
            ("/", Some("/")),
            ("", None),
        ] {
            assert_eq!(of(path).as_deref(), pattern, "{path}");
        }
        let upload = table.of("/upload/7").expect("limits");
        assert_eq!((upload.limits.body_limit, upload.at), (Some(2), 0));
        assert_eq!(upload.limits.request_timeout, Some(Duration::from_mins(1)));
        assert!(table.warnings(Duration::from_mins(1)).is_empty());
        let [warning] = &*table.warnings(Duration::from_secs(15)) else { panic!("one") };
        assert!(warning.contains("`/upload/{id}` may take 1m"), "{warning}");
    }

    #[test]
    fn patterns_that_are_none_or_mean_the_same_are_refused() {
        let table = |patterns: &[&str]| {
            let routes = patterns.iter().map(|pattern| route(pattern, RouteLimits::new()));
            RouteTable::new(routes.collect(), &[]).map(drop)
        };
        assert!(table(&["/a/{b}", "/a/c"]).is_ok());
        for wrong in [&["/a/{b}", "/a/{c}"][..], &["a"], &["/{*rest}/b"], &["/a/*", "/a/{*b}"]] {
            assert!(table(wrong).unwrap_err().contains("the limits of the route"), "{wrong:?}");
        }
    }
}
