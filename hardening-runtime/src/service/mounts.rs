//! What a router's requests are called where axum has no name for them, nested services and the fallback, and which of them may
//! be for files.
//!
//! axum tells the pattern of a route with each request, but of a nested service nothing, and it lists its patterns nowhere but in
//! how a router is shown for debugging. That is read here, once at the start; what cannot be read leaves such requests
//! without a name, as `unmatched`, and counts them among all others.

use std::sync::Arc;

use axum::Router;
use http::Method;
use matchit::Router as Paths;

/// What axum calls the rest of a path below a nested service.
const TAIL: &str = "{*__private__axum_nest_tail_param}";
/// What the requests are called that a fallback of the program's own answers.
const FALLBACK: &str = "/*";

/// The names of what has none by itself.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    /// Every pattern of the router; none where they cannot be read.
    patterns: Vec<String>,
    paths: Paths<Mount>,
    fallback: Option<Arc<str>>,
    /// Whether any of them may serve files.
    files: bool,
}

/// What stands at one pattern.
#[derive(Debug)]
struct Mount {
    name: Arc<str>,
    /// Whether it is a service below a path or at one, such as `ServeDir` and `ServeFile`, or a route for all below a path.
    files: bool,
}

impl Mounts {
    /// Those of a router.
    pub(crate) fn of_router(router: &Router) -> Self {
        Self::shown(&format!("{router:?}"))
    }

    fn shown(shown: &str) -> Self {
        let mut mounts = Self::default();
        let Some((endpoints, paths)) = shown.split_once("Node { paths: {") else { return mounts };
        for (id, pattern) in texts(paths) {
            let files = pattern.contains("{*") || endpoints.contains(&format!("{id}: Route("));
            let name =
                pattern.strip_suffix(TAIL).map_or_else(|| pattern.clone(), |begin| format!("{begin}*"));
            let mount = Mount { name: Arc::from(name.as_str()), files };
            // Two that overlap are refused by axum before.
            let _ = mounts.paths.insert(pattern, mount);
            mounts.patterns.push(name);
            mounts.files |= files;
        }
        mounts.patterns.sort_unstable();
        if shown.contains("default_fallback: false") {
            mounts.fallback = Some(Arc::from(FALLBACK));
            mounts.files = true;
        }
        mounts
    }

    /// What a request to this path is called, for which axum has no pattern.
    pub(crate) fn of(&self, path: &str) -> Option<&str> {
        let there = self.paths.at(path).ok().map(|found| &*found.value.name);
        there.or(self.fallback.as_deref())
    }

    /// Whether a request may be for a file, as far as its head tells.
    #[inline]
    pub(crate) fn may_be_file(&self, method: &Method, path: &str) -> bool {
        self.files
            && (*method == Method::GET || *method == Method::HEAD)
            && self.paths.at(path).map_or(self.fallback.is_some(), |found| found.value.files)
    }

    /// Whether the router has a route of just this pattern.
    pub(crate) fn has(&self, pattern: &str) -> bool {
        self.patterns.iter().any(|known| known == pattern)
    }

    /// Whether requests can be called so, or begin so where it ends in `*`.
    pub(crate) fn may_be(&self, pattern: &str) -> bool {
        self.patterns.is_empty()
            || pattern == FALLBACK
            || self.has(pattern)
            || pattern
                .strip_suffix('*')
                .is_some_and(|begin| self.patterns.iter().any(|known| known.starts_with(begin)))
    }

    /// Whether there is a pattern that this begins with, save for its last part.
    pub(crate) fn has_above(&self, pattern: &str) -> bool {
        let mut above = self.patterns.iter().filter_map(|known| known.split_once("{*"));
        above.any(|(above, _)| pattern.starts_with(above))
    }

    /// Every pattern of the router.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(String::as_str)
    }
}

/// The keys and quoted texts of a map that is shown, up to its end.
fn texts(shown: &str) -> Vec<(&str, String)> {
    let (mut texts, mut rest) = (Vec::new(), shown);
    loop {
        let (key, begun) = match rest.split_once('"') {
            Some((before, begun)) if !before.contains('}') => {
                (before.trim_start_matches(',').trim().trim_end_matches(':'), begun)
            }
            _ => return texts,
        };
        let mut text = String::new();
        let mut letters = begun.char_indices();
        let end = loop {
            match letters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => text.extend(letters.next().map(|(_, letter)| letter)),
                Some((_, letter)) => text.push(letter),
                None => return texts,
            }
        };
        texts.push((key, text));
        rest = &begun[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, get_service, post};

    use super::*;

    fn page() -> Router {
        Router::new().route("/inner", get(async || "inner"))
    }

    #[test]
    fn axum_still_shows_its_patterns() {
        let router = Router::new()
            .route("/orders/{id}", get(async || "").post(async || ""))
            .route("/a\"b", post(async || ""))
            .nest("/api", page())
            .nest_service("/static", page())
            .nest_service("/deep/down/", get_service(page()))
            .route_service("/logo", get_service(page()))
            .route("/pages/{*page}", get(async || ""))
            .layer(axum::middleware::from_fn(async |request, next: axum::middleware::Next| {
                next.run(request).await
            }));
        let mounts = Mounts::of_router(&router);
        for pattern in ["/orders/{id}", "/a\"b", "/api/inner", "/static/*", "/deep/down/*"] {
            assert!(mounts.has(pattern), "{pattern} of {:?}", mounts.patterns);
        }
        for (path, name) in [
            ("/static/app.css", Some("/static/*")),
            ("/static/a/b/c.js", Some("/static/*")),
            ("/deep/down/x", Some("/deep/down/*")),
            ("/elsewhere", None),
        ] {
            assert_eq!(mounts.of(path), name, "{path}");
        }
        assert!(mounts.may_be("/orders/{id}") && mounts.may_be("/static/*") && mounts.may_be("/orders/*"));
        assert!(!mounts.may_be("/order/{id}") && !mounts.may_be("/assets/*"));
        for (method, path, may_be) in [
            (Method::GET, "/static/app.css", true),
            (Method::HEAD, "/static", true),
            (Method::GET, "/logo", true),
            (Method::GET, "/pages/a/b", true),
            (Method::POST, "/static/app.css", false),
            (Method::GET, "/orders/7", false),
            (Method::GET, "/api/inner", false),
            (Method::GET, "/elsewhere", false),
        ] {
            assert_eq!(mounts.may_be_file(&method, path), may_be, "{path}");
        }
        let with_fallback = Mounts::of_router(&router.fallback_service(get_service(page())));
        assert_eq!(with_fallback.of("/elsewhere"), Some("/*"));
        assert_eq!(with_fallback.of("/static/app.css"), Some("/static/*"));
        assert!(with_fallback.may_be_file(&Method::GET, "/elsewhere"));
        assert!(!with_fallback.may_be_file(&Method::GET, "/orders/7"));
        let api = Mounts::of_router(&Router::new().route("/a", get(async || "")).nest("/api", page()));
        assert!(!api.files, "no look-up for its requests");
    }

    #[test]
    fn methods_stand_below_their_service() {
        let services = Router::new().route("/shop.v1.Prices/{*method}", post(async || ""));
        let mounts = Mounts::of_router(&services);
        assert!(mounts.has_above("/shop.v1.Prices/Quote"), "{mounts:?}");
        assert!(!mounts.has_above("/shop.v1.Price/Quote") && !mounts.has_above("/orders"), "{mounts:?}");
    }

    #[test]
    fn what_is_shown_otherwise_names_nothing() {
        for shown in
            ["", "Router", "Node { paths: {", "Node { paths: {RouteId(0): \"/a", "Node { paths: {}} \"/b\""]
        {
            let mounts = Mounts::shown(shown);
            assert_eq!(mounts.patterns.len(), 0, "{shown}");
            assert!(mounts.may_be("/whatever"), "nobody knows");
        }
    }
}
