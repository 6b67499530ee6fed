//! Where a site stands.

/// A site's name and its place in the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name as it is written, or the path without the crate; [`Site::name`](super::Site::name) may have the crate in front.
    pub written: &'static str,
    /// The path of the module.
    pub module: &'static str,
    /// The package.
    pub krate: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line of the attribute.
    pub line: u32,
    /// The level of its spans.
    pub level: Level,
    /// The fields of its spans: `outcome`, `attempts` and the arguments that are recorded.
    pub fields: &'static [&'static str],
    /// Whether it is in the crate that is linked as a program or a test, and not in a library below it.
    pub program: bool,
}

impl Place {
    /// A place named after its path, `shop::orders::price`, without the crate: `orders::price`. `program` says that its crate may
    /// be linked as a program or a test.
    pub const fn new(
        path: &'static str,
        krate: &'static str,
        file: &'static str,
        line: u32,
        program: bool,
    ) -> Self {
        Self::named(without_crate(path), path, krate, file, line, program)
    }

    /// A place with a name of its own.
    pub const fn named(
        written: &'static str,
        module: &'static str,
        krate: &'static str,
        file: &'static str,
        line: u32,
        program: bool,
    ) -> Self {
        let fields = &["hardening.outcome", "hardening.attempts"];
        Self { written, module, krate, file, line, level: Level::Info, fields, program }
    }

    /// The same with another level of spans.
    #[must_use]
    pub const fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same with other fields of spans.
    #[must_use]
    pub const fn fields(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }
}

const fn without_crate(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        if bytes[at] == b':' && bytes[at + 1] == b':' {
            return path.split_at(at + 2).1;
        }
        at += 1;
    }
    path
}

/// The level of a site's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Errors alone.
    Error,
    /// Warnings.
    Warn,
    /// The default.
    Info,
    /// For debugging.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    pub(crate) const fn as_tracing(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_name_is_the_path_without_the_crate() {
        assert_eq!(Place::new("shop::orders::price", "shop", "", 0, false).written, "orders::price");
        assert_eq!(Place::new("shop::price", "shop", "", 0, false).written, "price");
        assert_eq!(Place::new("price", "shop", "", 0, false).written, "price");
        assert_eq!(Place::named("prices", "shop::orders", "shop", "", 0, false).written, "prices");
    }
}
