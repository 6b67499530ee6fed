//! What a router's requests are called where axum has no name for them: nested services, and the fallback.
//!
//! axum tells the pattern of a route with each request, but of a nested service nothing, and it lists its patterns nowhere but in
//! how a router is shown for debugging. That is read here, once at the start; what cannot be read leaves such requests
//! without a name, as `unmatched`.

use std::sync::Arc;

use axum::Router;
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
    below: Paths<Arc<str>>,
    fallback: Option<Arc<str>>,
}

impl Mounts {
    /// Those of a router.
    pub(crate) fn of_router(router: &Router) -> Self {
        Self::shown(&format!("{router:?}"))
    }

    fn shown(shown: &str) -> Self {
        let mut mounts = Self::default();
        let Some((_, paths)) = shown.split_once("Node { paths: {") else { return mounts };
        for pattern in texts(paths) {
            match pattern.strip_suffix(TAIL) {
                Some(begin) => {
                    let name = format!("{begin}*");
                    // Two that overlap are refused by axum before.
                    let _ = mounts.below.insert(format!("{begin}{{*rest}}"), Arc::from(name.as_str()));
                    mounts.patterns.push(name);
                }
                None => mounts.patterns.push(pattern),
            }
        }
        mounts.patterns.sort_unstable();
        if shown.contains("default_fallback: false") {
            mounts.fallback = Some(Arc::from(FALLBACK));
        }
        mounts
    }

    /// What a request to this path is called, for which axum has no pattern.
    pub(crate) fn of(&self, path: &str) -> Option<&str> {
        let below = self.below.at(path).ok().map(|found| &**found.value);
        below.or(self.fallback.as_deref())
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

/// The quoted texts of a map that is shown, up to its end.
fn texts(shown: &str) -> Vec<String> {
    let (mut texts, mut rest) = (Vec::new(), shown);
    loop {
        let begun = match rest.split_once('"') {
            Some((before, begun)) if !before.contains('}') => begun,
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
        texts.push(text);
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
            .nest_service("/deep/down/", get_service(page()));
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
        let with_fallback = Mounts::of_router(&router.fallback_service(get_service(page())));
        assert_eq!(with_fallback.of("/elsewhere"), Some("/*"));
        assert_eq!(with_fallback.of("/static/app.css"), Some("/static/*"));
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
