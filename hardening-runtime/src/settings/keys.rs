//! One table of every setting of the service: the loader, the error messages, the manifest and the
//! documentation read it. Settings of calls have the tables of [`hardening_spec::keys`].

use hardening_spec::units;

use super::admin::{Open, SHORTEST_TOKEN, Token, read_hosts};
use super::value::Value;
use super::{
    ClientAuth, ClientHeader, Hidden, LogFormat, ProxyProtocol, RateLimitHeaders, Settings, ShedLimit,
};
use super::{alerts, auth, cors, forms};

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `127.0.0.1:8080`, or `unix:/run/orders.sock`.
    Address,
    /// `660`.
    Mode,
    /// `250ms`.
    Duration,
    /// `1MiB`, or a whole number of bytes.
    Bytes,
    /// A whole number of at least 1.
    Count,
    /// `100/min`, or `none`.
    RateOrNone,
    /// `25%`.
    Share,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A string.
    Text,
    /// A secret text that is never shown.
    Token,
    /// A list of strings.
    Texts,
    /// A list of patterns of routes.
    Routes,
    /// A list of names.
    Names,
    /// A list of host names.
    Hosts,
    /// A list of addresses or ranges of addresses.
    Networks,
}

impl Form {
    /// What a value of this form looks like, for messages.
    pub fn describe(self) -> String {
        match self {
            Self::Address => "an address and a port such as `127.0.0.1:8080`, or a Unix socket such as `unix:/run/orders.sock`".into(),
            Self::Mode => "file permissions in octal and in quotes, such as `660`".into(),
            Self::Duration => "a duration such as `250ms`".into(),
            Self::Bytes => "a size such as `1MiB`, `16KiB` or a number of bytes".into(),
            Self::Count => "a whole number of at least 1, such as `100`".into(),
            Self::RateOrNone => "a rate such as `100/min`, or `none`".into(),
            Self::Share => "a share such as `25%` or `0.25`".into(),
            Self::Flag => "`true` or `false`".into(),
            Self::Choice(words) => format!("one of {}", hardening_spec::keys::list(words)),
            Self::Text => "a string".into(),
            Self::Token => format!(
                "a text of at least {SHORTEST_TOKEN} visible characters, such as a reference `secret://file/run/secrets/admin`"
            ),
            Self::Texts => "a list such as `[\"https://example.org\"]`".into(),
            Self::Routes => "a list of patterns of routes such as `[\"/orders/{id}\"]`".into(),
            Self::Names => "a list of names such as `[\"iban\"]`".into(),
            Self::Hosts => {
                "a list of names without scheme and port such as `[\"console.example.org\"]`".into()
            }
            Self::Networks => "a list of addresses or ranges such as `[\"10.0.0.0/8\"]`".into(),
        }
    }
}

/// One setting of the service.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The table in `hardening.toml`.
    pub section: &'static str,
    /// The key in that table.
    pub key: &'static str,
    /// The form of its value.
    pub form: Form,
    /// Its default as it would be written; empty when it is derived, see `doc`.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Writes a value into the settings.
    pub(crate) set: fn(&mut Settings, &Value) -> Result<(), String>,
    /// The value in force, as it would be written.
    pub(crate) show: fn(&Settings) -> String,
}

/// The tables that exist besides [`OF_CALLS`] and [`NAMED`].
pub const SECTIONS: &[&str] =
    &["service", "http", "shed", "tls", "auth", "log", "telemetry", "alerts", "health", "shutdown", "admin"];

/// The tables that speak of calls and their policies: `[call."name".policy]`, `[policy.NAME]` of one that calls share, and
/// the switches of `[policies]`.
pub const OF_CALLS: [&str; 3] = ["call", "policy", "policies"];

/// The tables whose keys are the program's own names: `[task."name"]` of background tasks, `[route."/pattern"]`, and `[secrets]`.
pub const NAMED: [&str; 3] = ["task", "route", "secrets"];

macro_rules! setting {
    ($section:literal, $key:literal, $form:expr, $default:literal, $doc:literal, $path:ident . $field:ident, $read:path, $show:expr) => {
        Setting {
            section: $section,
            key: $key,
            form: $form,
            default: $default,
            doc: $doc,
            set: |settings, value| {
                settings.$path.$field = $read(value)?;
                Ok(())
            },
            show: |settings| $show(&settings.$path.$field),
        }
    };
}

fn time(value: &std::time::Duration) -> String {
    units::show(*value)
}

#[expect(clippy::ref_option, reason = "the table's functions take references")]
fn optional_time(value: &Option<std::time::Duration>) -> String {
    value.map_or_else(String::new, units::show)
}

fn plain<T: ToString>(value: &T) -> String {
    value.to_string()
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Every setting, by section.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting!("service", "name", Form::Text, "", "The service's name in logs and metrics; the attribute's `name` unless set.", service.name, forms::text, plain),
    setting!("service", "commit", Form::Text, "unknown", "The source revision in `build_info`.", service.commit, forms::text, plain),
    setting!("http", "listen", Form::Address, "", "Where the service serves; the attribute's `listen` unless set.", http.listen, forms::address, plain),
    setting!("http", "admin", Form::Address, "", "Where metrics and health are served; the attribute's `admin` unless set.", http.admin, forms::address, plain),
    setting!("http", "socket_mode", Form::Mode, "660", "The permissions of the file of a Unix socket: whoever may write to it may connect.", http.socket_mode, forms::mode, forms::show_mode),
    setting!("http", "connections", Form::Count, "10000", "Connections at once; beyond them an idle one of the peer that has most gives way, or the newcomer is refused.", http.connections, forms::count, plain),
    setting!("http", "admin_connections", Form::Count, "100", "Connections at once on the admin listener.", http.admin_connections, forms::count, plain),
    setting!("http", "header_timeout", Form::Duration, "10s", "The longest a request's head may take to arrive.", http.header_timeout, forms::duration, time),
    setting!("http", "idle_timeout", Form::Duration, "75s", "How long a kept connection may be without a request.", http.idle_timeout, forms::duration, time),
    setting!("http", "write_timeout", Form::Duration, "30s", "How long a client may take no byte of an answer.", http.write_timeout, forms::duration, time),
    setting!("http", "answer_memory", Form::Bytes, "256MiB", "The memory that answers may hold that handlers gave in one piece and clients are slow to take; beyond it those of the network that holds most are broken off: once they have had ten seconds, one second where the network holds more than an eighth with several, and at once beyond twice as much.", http.answer_memory, forms::bytes, forms::show_bytes),
    setting!("http", "body_memory", Form::Bytes, "256MiB", "The memory that bodies and messages may hold that handlers keep and clients have not sent to the end; beyond it those of the network that holds most are refused, in the times of `answer_memory`.", http.body_memory, forms::bytes, forms::show_bytes),
    setting!("http", "header_limit", Form::Bytes, "16KiB", "The size of all of a request's header fields together.", http.header_limit, forms::bytes, forms::show_bytes),
    setting!("http", "uri_limit", Form::Bytes, "8KiB", "The size of a request's path and query.", http.uri_limit, forms::bytes, forms::show_bytes),
    setting!("http", "body_limit", Form::Bytes, "1MiB", "The size of a request's body; of gRPC, of each message.", http.body_limit, forms::bytes, forms::show_bytes),
    setting!("http", "body_timeout", Form::Duration, "10s", "The longest a request's body may take to arrive; of gRPC and of a WebSocket's client, each message.", http.body_timeout, forms::duration, time),
    setting!("http", "request_timeout", Form::Duration, "15s", "A request's deadline; clients may lower it with `x-request-timeout-ms` or `grpc-timeout`.", http.request_timeout, forms::duration, time),
    setting!("http", "http2_streams", Form::Count, "128", "Concurrent requests on one HTTP/2 connection.", http.http2_streams, forms::count, plain),
    setting!("http", "http2_websockets", Form::Flag, "false", "Whether WebSockets may be opened over HTTP/2 by an extended `CONNECT` (RFC 8441).", http.http2_websockets, forms::flag, plain),
    setting!("http", "upgraded_connections", Form::Count, "5000", "How many WebSockets and other upgraded connections there may be at once; further requests for one get 503.", http.upgraded_connections, forms::count, plain),
    setting!("http", "upgraded_idle_timeout", Form::Duration, "10m", "How long nothing may pass on an upgraded connection, pings included.", http.upgraded_idle_timeout, forms::duration, time),
    setting!("http", "websocket_message_limit", Form::Bytes, "4MiB", "The largest message that a client may send on a WebSocket; a larger one closes it with 1009.", http.websocket_message_limit, forms::bytes, forms::show_bytes),
    setting!("http", "upgraded_max_age", Form::Duration, "24h", "How long an upgraded connection may last.", http.upgraded_max_age, forms::duration, time),
    setting!("http", "health_watchers", Form::Count, "1000", "Calls of `grpc.health.v1.Health/Watch` at once on each listener; beyond them the oldest one of the network that has most ends, or the new one is refused.", http.health_watchers, forms::count, plain),
    setting!("http", "health_watchers_per_client", Form::Count, "100", "Of them, those of one client.", http.health_watchers_per_client, forms::count, plain),
    setting!("http", "rate_limit", Form::RateOrNone, "100/min", "The rate of each client's requests, IPv6 by /64; probes are never limited.", http.rate_limit, forms::rate_or_none, forms::show_rate),
    setting!("http", "rate_limit_headers", Form::Choice(&["standard", "legacy", "both"]), "standard", "The header fields in which an answer tells of limits: `ratelimit` and `ratelimit-policy`, or `x-ratelimit-limit`, `-remaining` and `-reset`, or all five; a 429 has all five in any case.", http.rate_limit_headers, RateLimitHeaders::read, RateLimitHeaders::show),
    setting!("http", "rate_limit_burst", Form::Count, "", "How many requests one client may send at once; the rate's count unless set.", http.rate_limit_burst, forms::some_count, forms::show_some),
    setting!("http", "static_rate_limit", Form::RateOrNone, "1000/min", "The rate of each client's `GET` and `HEAD` for files, apart from its other requests: of nested services, services at a path, routes that end in `{*…}`, and the fallback. Whatever of these is answered with anything but a file counts as other requests do. Without `rate_limit` there is none.", http.static_rate_limit, forms::rate_or_none, forms::show_rate),
    setting!("http", "rate_limit_max_keys", Form::Count, "10000", "The bound on clients remembered. From half of it on IPv6 counts by /56, from three quarters on by /48; further clients share limits with others of their /48, of IPv4 of their /16.", http.rate_limit_max_keys, forms::count, plain),
    setting!("http", "principal_rate_limit", Form::RateOrNone, "none", "The rate of each authenticated caller's requests, wherever they come from.", http.principal_rate_limit, forms::rate_or_none, forms::show_rate),
    setting!("http", "tenant_rate_limit", Form::RateOrNone, "none", "The rate of each tenant's requests, of all its callers together.", http.tenant_rate_limit, forms::rate_or_none, forms::show_rate),
    setting!("http", "trusted_proxies", Form::Networks, "", "Peers whose `client_header` is believed.", http.trusted_proxies, forms::networks, |nets: &Vec<ipnet::IpNet>| joined(nets)),
    setting!("http", "client_header", Form::Text, "x-forwarded-for", "The one header field in which trusted proxies name their clients; all others are ignored. `forwarded` is read by RFC 7239, every other one as a list of addresses.", http.client_header, ClientHeader::read, ClientHeader::show),
    setting!("http", "unlisted_proxy_rate_limit", Form::RateOrNone, "1000/s", "While `trusted_proxies` is empty: the rate of all requests together of a peer with a private address that names clients in `client_header`, beside the limit of each client that it names.", http.unlisted_proxy_rate_limit, forms::rate_or_none, forms::show_rate),
    setting!("http", "proxy_protocol", Form::Choice(&["off", "required"]), "off", "`required`: each connection begins with a header of the PROXY protocol, version 1 or 2, and only `trusted_proxies` may connect.", http.proxy_protocol, ProxyProtocol::read, ProxyProtocol::show),
    setting!("http", "bare_idempotency_keys", Form::Flag, "true", "Whether an `Idempotency-Key` without quotes is taken as the same key with them.", http.bare_idempotency_keys, forms::flag, plain),
    setting!("http", "cors_origins", Form::Texts, "", "Origins that browsers may call from; `*` for every one.", http.cors_origins, cors::origins, |origins: &Vec<String>| joined(origins)),
    setting!("http", "cors_methods", Form::Names, "", "Methods that these pages may use besides `GET`, `HEAD` and `POST`, for which browsers send no preflight; all of them unless set.", http.cors_methods, cors::methods, |methods: &Vec<http::Method>| joined(methods)),
    setting!("http", "cors_headers", Form::Names, "", "Header fields that these pages may send besides those for which browsers send no preflight; all of them unless set.", http.cors_headers, cors::fields, |names: &Vec<http::HeaderName>| joined(names)),
    setting!("http", "cors_expose", Form::Names, "", "Header fields of answers that their pages may read, besides the service's own: of limits, waits, ids, redirections and identity.", http.cors_expose, cors::fields, |names: &Vec<http::HeaderName>| joined(names)),
    setting!("http", "cors_credentials", Form::Flag, "false", "Whether their pages may send cookies and what else the browser knows of the visitor; never with `*`.", http.cors_credentials, forms::flag, plain),
    setting!("http", "cors_max_age", Form::Duration, "10m", "How long a browser may keep the answer to a preflight, in whole seconds; `0s` for not at all.", http.cors_max_age, forms::duration, time),
    setting!("http", "csp", Form::Text, "default-src 'none'; frame-ancestors 'none'", "The `content-security-policy` of answers that set none.", http.csp, forms::header_text, plain),
    setting!("shed", "limit", Form::Choice(&["off", "fixed", "adaptive"]), "fixed", "How many requests the routes work on at once: `fixed` for `max`, `adaptive` for what is found from how much longer than usual they take, `off` for no limit.", shed.limit, ShedLimit::read, ShedLimit::show),
    setting!("shed", "max", Form::Count, "10000", "The limit, or the most that an adaptive one becomes.", shed.max, forms::count, plain),
    setting!("shed", "min", Form::Count, "10", "The least that an adaptive limit becomes.", shed.min, forms::count, plain),
    setting!("shed", "critical", Form::Routes, "", "Patterns of the routes that are refused last.", shed.critical, forms::routes, |routes: &Vec<String>| joined(routes)),
    setting!("shed", "high", Form::Routes, "", "Patterns of the routes that are refused after most others.", shed.high, forms::routes, |routes: &Vec<String>| joined(routes)),
    setting!("shed", "low", Form::Routes, "", "Patterns of the routes that are refused before most others.", shed.low, forms::routes, |routes: &Vec<String>| joined(routes)),
    setting!("shed", "background", Form::Routes, "", "Patterns of the routes that are refused first.", shed.background, forms::routes, |routes: &Vec<String>| joined(routes)),
    setting!("tls", "certificate", Form::Text, "", "A PEM file with the certificate and what leads from it to a root; with it the service's listener speaks TLS alone.", tls.certificate, forms::text, plain),
    setting!("tls", "key", Form::Text, "", "A PEM file with the certificate's private key.", tls.key, forms::text, plain),
    setting!("tls", "client_ca", Form::Text, "", "A PEM file with the roots that clients' certificates must lead to; no client is asked for one unless set.", tls.client_ca, forms::text, plain),
    setting!("tls", "client_auth", Form::Choice(&["required", "optional"]), "required", "Whether a client without a certificate is turned away, where `client_ca` is set.", tls.client_auth, ClientAuth::read, ClientAuth::show),
    setting!("tls", "handshake_timeout", Form::Duration, "10s", "The longest that a handshake may take.", tls.handshake_timeout, forms::duration, time),
    setting!("tls", "max_connection_age", Form::Duration, "1h", "How old a connection may become, less up to a tenth of it; then it is drained, and cut after `shutdown.drain`.", tls.max_connection_age, forms::duration, time),
    setting!("tls", "hsts", Form::Text, "max-age=31536000", "The `strict-transport-security` of answers over TLS; none if empty.", tls.hsts, forms::header_text, plain),
    setting!("auth", "api_keys", Form::Text, "", "A TOML file with the digests of API keys, and what the holders of certificates may do.", auth.api_keys, forms::text, plain),
    setting!("auth", "required", Form::Flag, "false", "Whether nobody may call without a credential, save the routes of `public`.", auth.required, forms::flag, plain),
    setting!("auth", "public", Form::Texts, "", "Routes that anybody may call, written as the router has them; one that ends in `*` stands for all that begin so.", auth.public, auth::routes, |routes: &Vec<String>| joined(routes)),
    setting!("auth", "issuer", Form::Text, "", "The `iss` of tokens; no token is taken unless set.", auth.issuer, forms::text, plain),
    setting!("auth", "audience", Form::Texts, "", "The `aud` of tokens: one of these.", auth.audience, forms::texts, |audience: &Vec<String>| joined(audience)),
    setting!("auth", "algorithms", Form::Texts, "RS256,ES256", "How tokens may be signed; never with a shared secret.", auth.algorithms, auth::algorithms, |names: &Vec<String>| joined(names)),
    setting!("auth", "jwks", Form::Text, "", "Where the issuer's keys are: an `https://` URL (`http://` from a loopback address alone), or a file.", auth.jwks, forms::text, plain),
    setting!("auth", "jwks_ca", Form::Text, "", "A PEM file with roots that are trusted for that URL beside those of the system.", auth.jwks_ca, forms::text, plain),
    setting!("auth", "leeway", Form::Duration, "30s", "How far the issuer's clock may differ from ours, at most 5m.", auth.leeway, auth::leeway, time),
    setting!("auth", "jwks_refresh", Form::Duration, "10m", "How often the issuer's keys are fetched.", auth.jwks_refresh, forms::duration, time),
    setting!("auth", "jwks_stale", Form::Duration, "12h", "How long keys still count when they cannot be fetched again.", auth.jwks_stale, forms::duration, time),
    setting!("auth", "jwks_cooldown", Form::Duration, "30s", "The time between two fetches that tokens under an unknown key ask for, and between two that fail.", auth.jwks_cooldown, forms::duration, time),
    setting!("auth", "principal_claim", Form::Text, "sub", "The claim that names the caller.", auth.principal_claim, forms::text, plain),
    setting!("auth", "scope_claims", Form::Texts, "scope,scp", "The claims that hold scopes, as a list or as words in one string; `a.b` is `b` within `a`.", auth.scope_claims, forms::texts, |claims: &Vec<String>| joined(claims)),
    setting!("auth", "tenant_claim", Form::Text, "", "The claim that names the tenant; none unless set.", auth.tenant_claim, forms::text, plain),
    setting!("log", "format", Form::Choice(&["auto", "json", "pretty"]), "auto", "One JSON object a line, or text for people; `auto` is `pretty` on a terminal.", log.format, LogFormat::read, LogFormat::show),
    setting!("log", "level", Form::Text, "info", "What is logged, in the form of `RUST_LOG`, which wins over it.", log.level, forms::log_filter, plain),
    setting!("log", "access", Form::Flag, "true", "One line for each request.", log.access, forms::flag, plain),
    setting!("log", "redact", Form::Names, "", "Names of fields, headers and parameters whose values are not told, besides `password`, `token` and their like; read at the start.", log.redact, forms::names, |names: &Vec<String>| joined(names)),
    setting!("log", "queue", Form::Bytes, "4MiB", "The size of the lines that may wait until standard output takes them; further ones are dropped and counted, from three quarters of it on those below `WARN`. The console's audit is never dropped.", log.queue, forms::bytes, forms::show_bytes),
    setting!("telemetry", "otlp_endpoint", Form::Text, "", "The receiver of traces, which speaks OTLP over HTTP, such as `http://collector:4318`; no span is recorded unless set.", telemetry.otlp_endpoint, forms::url, plain),
    setting!("telemetry", "otlp_headers", Form::Text, "", "Header fields for the receiver, `name=value,name=value`, with what is reserved in per cent; never shown.", telemetry.otlp_headers, forms::fields, Hidden::show),
    setting!("telemetry", "sampling", Form::Share, "100%", "The share of the traces that begin here which is recorded; of the others their caller decides.", telemetry.sampling, forms::share, forms::show_share),
    setting!("telemetry", "level", Form::Text, "info", "Which spans are recorded, in the form of `RUST_LOG`.", telemetry.level, forms::log_filter, plain),
    setting!("telemetry", "queue", Form::Count, "2048", "Spans that may wait for their export; further ones are dropped and counted.", telemetry.queue, forms::count, plain),
    setting!("telemetry", "export_every", Form::Duration, "5s", "How long a span may wait until others go with it.", telemetry.export_every, forms::duration, time),
    setting!("telemetry", "export_timeout", Form::Duration, "5s", "The longest that the receiver may take for an answer.", telemetry.export_timeout, forms::duration, time),
    setting!("telemetry", "rare_zeros", Form::Flag, "true", "Whether `/metrics` has the outcomes, retries and decisions of calls that have not happened yet, as zeros; without them Prometheus sees no increase for a first error.", telemetry.rare_zeros, forms::flag, plain),
    setting!("alerts", "slack", Form::Texts, "", "Webhooks of Slack that are told of errors; never shown.", alerts.slack, forms::urls, Hidden::show_all),
    setting!("alerts", "discord", Form::Texts, "", "Webhooks of Discord that are told of errors; never shown.", alerts.discord, forms::urls, Hidden::show_all),
    setting!("alerts", "json", Form::Texts, "", "Addresses that are told of errors in signed JSON; never shown.", alerts.json, forms::urls, Hidden::show_all),
    setting!("alerts", "secret", Form::Text, "", "The secret that signs the JSON, with `whsec_` before it in base 64; never shown.", alerts.secret, forms::hidden, Hidden::show),
    setting!("alerts", "errors", Form::Count, "5", "How many errors of one route or call within `window` make an alert.", alerts.errors, forms::count, plain),
    setting!("alerts", "window", Form::Duration, "5m", "The time within which they happen.", alerts.window, forms::duration, time),
    setting!("alerts", "every", Form::Duration, "15m", "At most one message in this time for each route or call.", alerts.every, forms::duration, time),
    setting!("alerts", "timeout", Form::Duration, "5s", "The longest that one who is told may take.", alerts.timeout, forms::duration, time),
    setting!("alerts", "objective", Form::Share, "", "The share of each route's requests that must not fail, such as `99.9%`: who spends what it leaves too fast is told of; nobody watches unless set.", alerts.objective, alerts::objective, alerts::show_objective),
    setting!("health", "paths", Form::Routes, "/livez,/live,/health,/healthz,/readyz,/ready,/health/ready,/startupz", "Where the public listener answers probes; those of the default that are left out belong to the program. The admin listener answers at all of them.", health.paths, forms::probes, |paths: &Vec<String>| joined(paths)),
    setting!("health", "verbose", Form::Flag, "true", "Whether `?verbose` lists the checks on the public listener too.", health.verbose, forms::flag, plain),
    setting!("shutdown", "pre_drain", Form::Duration, "5s", "How long the service still accepts after readiness turned; none on an interrupt from the terminal.", shutdown.pre_drain, forms::duration, time),
    setting!("shutdown", "drain", Form::Duration, "", "The longest that accepted requests may take to finish; `http.request_timeout` unless set, and of one above 15s what the other parts leave of `grace`.", shutdown.drain, forms::some_duration, optional_time),
    setting!("shutdown", "tasks", Form::Duration, "3s", "The longest that all background tasks together may take to end; nothing where there are none.", shutdown.tasks, forms::duration, time),
    setting!("shutdown", "hooks", Form::Duration, "5s", "The longest that all shutdown hooks together may take.", shutdown.hooks, forms::duration, time),
    setting!("shutdown", "grace", Form::Duration, "", "When the process is ended by force, less one second; the attribute's `grace` unless set.", shutdown.grace, forms::duration, time),
    setting!("admin", "token", Form::Token, "", "What must be sent to act in the console; without one nobody can.", admin.token, Token::read, Token::show),
    setting!("admin", "open", Form::Choice(Open::WORDS), "loopback", "Who may read the console without the token: everybody where the admin listener is bound to a `loopback` address, everybody who reaches it (`always`), or nobody (`never`).", admin.open, Open::read, Open::show),
    setting!("admin", "hosts", Form::Hosts, "", "The names under which the admin listener is reached, besides addresses and `localhost`: by browsers, and by a scraper that names one.", admin.hosts, read_hosts, |hosts: &Vec<String>| joined(hosts)),
];

/// The settings of one section.
pub fn of(section: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.section == section)
}

/// One setting.
pub fn find(section: &str, key: &str) -> Option<&'static Setting> {
    of(section).find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_form_and_shows_as_it_is_read() {
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            let mut settings = Settings::default();
            (setting.set)(&mut settings, &Value::Text(setting.default.to_owned())).unwrap();
            let shown = (setting.show)(&settings);
            (setting.set)(&mut settings, &Value::Text(shown.clone())).unwrap();
            assert_eq!((setting.show)(&settings), shown, "{}.{}", setting.section, setting.key);
        }
    }

    #[test]
    fn every_section_has_settings_and_every_setting_a_section() {
        for section in SECTIONS {
            assert!(of(section).count() > 0, "{section}");
        }
        assert!(SETTINGS.iter().all(|setting| SECTIONS.contains(&setting.section)));
    }
}
