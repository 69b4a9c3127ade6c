//! What an operator chooses by environment variables, where the code chooses nothing.

use crate::{
    ProcessParent, ReceiveSpans, Trust,
    options::{
        diagnostics::{Diagnostic, Diagnostics},
        settings::Settings,
    },
};

/// The variables that are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variable {
    ProcessParent,
    ReceiveSpans,
    Trust,
}

const PROCESS_PARENTS: [(&str, ProcessParent); 4] = [
    ("ambient", ProcessParent::Ambient),
    ("creation_context_if_no_ambient", ProcessParent::CreationContextIfNoAmbient),
    ("creation_context", ProcessParent::CreationContext),
    ("root", ProcessParent::Root),
];
const RECEIVE_SPANS: [(&str, ReceiveSpans); 3] =
    [("all", ReceiveSpans::All), ("batches", ReceiveSpans::Batches), ("none", ReceiveSpans::None)];
const TRUSTS: [(&str, Trust); 3] =
    [("full", Trust::Full), ("links", Trust::Links), ("none", Trust::None)];

impl Variable {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ProcessParent => "OTEL_MESSAGING_PROCESS_PARENT",
            Self::ReceiveSpans => "OTEL_MESSAGING_RECEIVE_SPANS",
            Self::Trust => "OTEL_MESSAGING_TRUST",
        }
    }

    /// Returns the values that it may have, for a warning.
    pub(crate) fn known(self) -> String {
        fn names<T>(known: &[(&'static str, T)]) -> String {
            known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::ProcessParent => names(&PROCESS_PARENTS),
            Self::ReceiveSpans => names(&RECEIVE_SPANS),
            Self::Trust => names(&TRUSTS),
        }
    }
}

/// Reads the variables by `read`. A value that is not known is reported and ignored.
pub(crate) fn apply(settings: &mut Settings, read: impl Fn(&str) -> Option<String>) {
    let value = |variable: Variable| read(variable.name());
    let told = &settings.diagnostics;
    let parent = value(Variable::ProcessParent);
    let parent = choice(Variable::ProcessParent, parent, &PROCESS_PARENTS, told);
    let receive = value(Variable::ReceiveSpans);
    let receive = choice(Variable::ReceiveSpans, receive, &RECEIVE_SPANS, told);
    let trust = choice(Variable::Trust, value(Variable::Trust), &TRUSTS, told);
    settings.process_parent = parent.unwrap_or(settings.process_parent);
    settings.receive_spans = receive.unwrap_or(settings.receive_spans);
    settings.trust = trust.unwrap_or(settings.trust);
}

/// As in OpenTelemetry's own variables, an empty value is none, and case does not matter:
/// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
fn choice<T: Copy>(
    variable: Variable,
    value: Option<String>,
    known: &[(&str, T)],
    diagnostics: &Diagnostics,
) -> Option<T> {
    let value = value?;
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    if found.is_none() {
        diagnostics.report(Diagnostic::UnknownValue(variable));
    }
    found.map(|(_, choice)| *choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (ProcessParent, ReceiveSpans, Trust) {
        let mut settings = Settings::default();
        apply(&mut settings, |_| Some(value.to_owned()));
        (settings.process_parent, settings.receive_spans, settings.trust)
    }

    #[test]
    fn each_value_is_known_by_its_name() {
        let defaults = Default::default();
        for (name, parent) in [
            ("ambient", ProcessParent::Ambient),
            ("creation_context_if_no_ambient", ProcessParent::CreationContextIfNoAmbient),
            ("creation_context", ProcessParent::CreationContext),
            ("root", ProcessParent::Root),
        ] {
            assert_eq!(read(name), (parent, ReceiveSpans::All, Trust::Full), "{name}");
        }
        assert_eq!(read("batches").1, ReceiveSpans::Batches);
        assert_eq!(read("links").2, Trust::Links);
        let none = (ProcessParent::Ambient, ReceiveSpans::None, Trust::None);
        for value in ["none", "None", " NONE\n"] {
            assert_eq!(read(value), none, "{value:?}");
        }
        for value in ["all", "full", "", " ", "nothing known"] {
            assert_eq!(read(value), defaults, "{value:?}");
        }
    }

    #[test]
    fn a_variable_has_its_own_name() {
        let mut settings = Settings::default();
        apply(&mut settings, |name| (name == "OTEL_MESSAGING_TRUST").then(|| "none".to_owned()));
        assert_eq!((settings.receive_spans, settings.trust), (ReceiveSpans::All, Trust::None));
        assert_eq!(Variable::ReceiveSpans.known(), "all, batches, none");
    }
}
