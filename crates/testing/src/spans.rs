//! Expected spans as data, and their exact comparison with all finished ones.
//!
//! What is not said of a span is expected to be empty, absent or unset; nothing is "don't care"
//! but times, identifiers and the value of [`any`](crate::attributes::any).

mod difference;
mod graph;
mod search;

use std::borrow::Cow;

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanKind, Status},
};

pub(crate) use self::difference::show_span;
use self::{difference::report, graph::Graph};
use crate::{
    attributes::{Attributes, ExpectedValue},
    telemetry::{FinishedSpan, Telemetry},
};

/// A span that a test expects; see [`span`].
#[derive(Clone, Debug)]
#[must_use = "only `assert_spans` compares it"]
pub struct ExpectedSpan {
    name: Cow<'static, str>,
    label: Option<Cow<'static, str>>,
    kind: SpanKind,
    parent: Option<Target>,
    attributes: Attributes,
    links: Vec<ExpectedLink>,
    links_in_order: bool,
    dropped_links: u32,
    events: Vec<(Cow<'static, str>, Attributes)>,
    status: Status,
    scope: Option<InstrumentationScope>,
}

/// What a parent or a link refers to: the label of an expected span or a span context.
#[derive(Clone, Debug)]
pub enum Target {
    /// The context of the finished span that another expected span with this label stands for.
    Label {
        /// The label.
        label: Cow<'static, str>,
        /// Whether that context came in a message: see [`remote`].
        is_remote: bool,
    },
    /// A context that need not be one of a finished span.
    Context(SpanContext),
}

#[derive(Clone, Debug)]
struct ExpectedLink {
    target: Target,
    attributes: Attributes,
}

/// Expects a span with this name: internal, root, Unset, without attributes, links and events.
pub fn span(name: impl Into<Cow<'static, str>>) -> ExpectedSpan {
    ExpectedSpan {
        name: name.into(),
        label: None,
        kind: SpanKind::Internal,
        parent: None,
        attributes: Attributes::default(),
        links: Vec::new(),
        links_in_order: false,
        dropped_links: 0,
        events: Vec::new(),
        status: Status::Unset,
        scope: None,
    }
}

/// A parent or link whose context was extracted from a message, and hence marked as remote.
///
/// A label without it stands for the context that was handed on inside the process.
pub fn remote(target: impl Into<Target>) -> Target {
    match target.into() {
        Target::Label { label, .. } => Target::Label { label, is_remote: true },
        Target::Context(context) => Target::Context(SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags(),
            true,
            context.trace_state().clone(),
        )),
    }
}

impl Telemetry {
    /// Asserts that the finished spans are exactly the `expected` ones, in whatever order, and
    /// returns them in the order of the expectations.
    ///
    /// Every span is compared: name, kind, parent, status, scope, and the whole sets of its
    /// attributes, links and events with theirs. A span that does not name its [`scope`] comes
    /// from the one that [`Builder::expecting_scope`] set, if it was, or from
    /// [`Telemetry::tracer`].
    ///
    /// # Panics
    ///
    /// If they are not, with what differs; or if a label is unknown or given twice.
    ///
    /// [`scope`]: ExpectedSpan::scope
    /// [`Builder::expecting_scope`]: crate::telemetry::Builder::expecting_scope
    #[track_caller]
    pub fn assert_spans(
        &self,
        expected: impl IntoIterator<Item = ExpectedSpan>,
    ) -> Vec<FinishedSpan> {
        let expected: Vec<ExpectedSpan> = expected.into_iter().collect();
        let found = self.spans();
        let graph = Graph::new(&expected, &found, self.scope.as_ref());
        let pairs = graph.pair();
        if let Some(report) = report(&graph, &pairs) {
            panic!("{report}");
        }
        pairs.into_iter().flatten().map(|at| found[at].clone()).collect()
    }
}

impl ExpectedSpan {
    /// Names this span for the parents and links of others.
    pub fn label(mut self, label: impl Into<Cow<'static, str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Expects this kind instead of internal.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Expects no parent, which is the default: for the reader.
    pub fn root(mut self) -> Self {
        self.parent = None;
        self
    }

    /// Expects this parent.
    pub fn child_of(mut self, parent: impl Into<Target>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Expects these attributes, besides those named before.
    ///
    /// # Panics
    ///
    /// If one is named twice.
    #[track_caller]
    pub fn attributes(
        mut self,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        for (key, value) in attributes {
            self.attributes.add(key, value);
        }
        self
    }

    /// Expects a link without attributes, besides those named before.
    pub fn linked_to(self, target: impl Into<Target>) -> Self {
        self.link_with(target, [])
    }

    /// Expects a link with exactly these attributes, besides those named before.
    ///
    /// # Panics
    ///
    /// If an attribute is named twice.
    #[track_caller]
    pub fn link_with(
        mut self,
        target: impl Into<Target>,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        let attributes = Attributes::from_pairs(attributes);
        self.links.push(ExpectedLink { target: target.into(), attributes });
        self
    }

    /// Expects the links in the order in which they are named.
    pub fn links_in_order(mut self) -> Self {
        self.links_in_order = true;
        self
    }

    /// Expects that the SDK counted this many links beyond its limit.
    pub fn dropped_links(mut self, count: u32) -> Self {
        self.dropped_links = count;
        self
    }

    /// Expects an event with exactly these attributes, besides those named before.
    ///
    /// # Panics
    ///
    /// If an attribute is named twice.
    #[track_caller]
    pub fn event(
        mut self,
        name: impl Into<Cow<'static, str>>,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        self.events.push((name.into(), Attributes::from_pairs(attributes)));
        self
    }

    /// Expects the attribute `error.type` and an error status with this description, or none.
    ///
    /// # Panics
    ///
    /// If `error.type` is also among the attributes.
    #[track_caller]
    pub fn error(self, error_type: impl Into<ExpectedValue>, description: Option<&str>) -> Self {
        self.attributes([("error.type", error_type.into())])
            .status(Status::error(description.unwrap_or_default().to_owned()))
    }

    /// Expects this status instead of Unset.
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Expects this scope: name, version, schema URL and attributes.
    pub fn scope(mut self, scope: InstrumentationScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// All that is expected but which spans the labels stand for, as a key.
    fn without_labels(&self) -> String {
        let mut span = self.clone();
        span.label = None;
        let links = span.links.iter_mut().map(|link| &mut link.target);
        for target in span.parent.iter_mut().chain(links) {
            if let Target::Label { label, .. } = target {
                *label = Cow::Borrowed("");
            }
        }
        format!("{span:?}")
    }
}

impl From<&'static str> for Target {
    fn from(label: &'static str) -> Self {
        Self::Label { label: label.into(), is_remote: false }
    }
}

impl From<String> for Target {
    fn from(label: String) -> Self {
        Self::Label { label: label.into(), is_remote: false }
    }
}

impl From<SpanContext> for Target {
    fn from(context: SpanContext) -> Self {
        Self::Context(context)
    }
}

impl From<&SpanContext> for Target {
    fn from(context: &SpanContext) -> Self {
        Self::Context(context.clone())
    }
}

#[cfg(test)]
mod tests;
