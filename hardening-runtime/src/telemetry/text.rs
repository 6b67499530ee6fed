//! Prometheus' text format.

use std::fmt::{Display, Write as _};

use super::histogram::{BOUNDS, Histogram};

/// One metric family; its header is written when the first sample is.
pub struct Family<'o> {
    out: &'o mut String,
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    started: bool,
}

impl<'o> Family<'o> {
    fn new(out: &'o mut String, name: &'static str, help: &'static str, kind: &'static str) -> Self {
        Self { out, name, help, kind, started: false }
    }

    /// A counter.
    pub fn counter(out: &'o mut String, name: &'static str, help: &'static str) -> Self {
        Self::new(out, name, help, "counter")
    }

    /// A gauge.
    pub fn gauge(out: &'o mut String, name: &'static str, help: &'static str) -> Self {
        Self::new(out, name, help, "gauge")
    }

    /// A histogram.
    pub fn histogram(out: &'o mut String, name: &'static str, help: &'static str) -> Self {
        Self::new(out, name, help, "histogram")
    }

    fn head(&mut self) {
        if !self.started {
            self.started = true;
            let Self { out, name, help, kind, .. } = self;
            line(out, format_args!("# HELP {name} {help}"));
            line(out, format_args!("# TYPE {name} {kind}"));
        }
    }

    /// Writes one sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.head();
        let labels: Vec<String> = labels.iter().map(|(name, value)| label(name, value)).collect();
        let name = self.name;
        if labels.is_empty() {
            line(self.out, format_args!("{name} {value}"));
        } else {
            line(self.out, format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    /// Writes a histogram's samples; `labels` come from [`label`], joined by commas.
    pub fn distribution(&mut self, labels: &str, histogram: &Histogram) {
        self.head();
        let (counts, sum) = histogram.read();
        let all = counts[BOUNDS.len()];
        let name = self.name;
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        for (bound, count) in bounds.zip(counts) {
            line(self.out, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {count}"));
        }
        line(self.out, format_args!("{name}_sum{{{labels}}} {sum}"));
        line(self.out, format_args!("{name}_count{{{labels}}} {all}"));
    }
}

/// `name="value"` with what the format reserves escaped.
pub fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_under_one_head_with_escaped_labels() {
        let mut out = String::new();
        let mut family = Family::gauge(&mut out, "depth", "How deep.");
        family.sample(&[("name", "a\"b\\c\nd")], 1);
        family.sample(&[], 2);
        assert_eq!(
            out,
            "# HELP depth How deep.\n# TYPE depth gauge\ndepth{name=\"a\\\"b\\\\c\\nd\"} 1\ndepth 2\n"
        );
    }
}
