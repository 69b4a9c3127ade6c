//! The lines in which a difference is told.

use opentelemetry::InstrumentationScope;

use crate::attributes::show_attributes;

/// Lines of a difference: `-` what is missing, `+` what was found instead.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Lines {
    pub(crate) fn compare(&mut self, expected: String, found: String) {
        if expected != found {
            let lines = [("-", expected), ("+", found)];
            self.0.extend(lines.map(|(sign, line)| format!("{sign} {line}")));
        }
    }

    pub(crate) fn missing(&mut self, line: &str) {
        self.0.push(format!("- {line}"));
    }

    pub(crate) fn unexpected(&mut self, line: &str) {
        self.0.push(format!("+ {line}"));
    }
}

/// A scope with all that it is compared by.
pub(crate) fn show_scope(scope: &InstrumentationScope) -> String {
    let (version, schema) = (scope.version(), scope.schema_url());
    let (version, schema) = (version.unwrap_or("(no version)"), schema.unwrap_or("(no schema)"));
    format!("scope {} {version} {schema} {}", scope.name(), show_attributes(scope.attributes()))
}

pub(crate) fn indent(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}
