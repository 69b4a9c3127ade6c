//! Expected spans as data, and their comparison with the finished ones.
//!
//! What an expected span does not name must be empty, absent or unset. Times and ids are ignored.
//! [`any`](crate::attributes::any) leaves out a value, [`includes`](ExpectedSpan::includes) leaves
//! out attributes, and [`assert_includes`](Telemetry::assert_includes) leaves out spans.

mod candidates;
mod comparison;
mod references;
mod target;
mod text;

use std::borrow::Cow;

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanKind, Status},
};

use self::comparison::Comparison;
pub use self::target::{Target, remote};
pub(crate) use self::text::show_span;
use crate::{
    attributes::{Attributes, ExpectedValue},
    telemetry::{FinishedSpan, Telemetry},
};

/// How many different spans a failed assertion shows.
const MAX_SHOWN: usize = 20;

/// A span that a test expects. [`span`] creates one.
#[derive(Clone, Debug)]
#[must_use = "only `assert_spans` compares it"]
pub struct ExpectedSpan {
    name: Cow<'static, str>,
    label: Option<Cow<'static, str>>,
    kind: SpanKind,
    attributes: Attributes,
    /// The parent first, then the links.
    references: Vec<ExpectedReference>,
    links_in_order: bool,
    dropped_links: u32,
    events: Vec<(Cow<'static, str>, Attributes)>,
    status: Status,
    scope: Option<InstrumentationScope>,
}

/// A parent or a link. The parent of a root span is a context that is not valid.
#[derive(Clone, Debug)]
struct ExpectedReference {
    target: Target,
    attributes: Attributes,
}

/// Expects a span with this name: kind internal, status Unset, no parent, attributes, links or
/// events.
pub fn span(name: impl Into<Cow<'static, str>>) -> ExpectedSpan {
    ExpectedSpan {
        name: name.into(),
        label: None,
        kind: SpanKind::Internal,
        attributes: Attributes::default(),
        references: vec![ExpectedReference::parent(SpanContext::NONE)],
        links_in_order: false,
        dropped_links: 0,
        events: Vec::new(),
        status: Status::Unset,
        scope: None,
    }
}

impl Telemetry {
    /// Asserts that the finished spans are exactly the `expected` ones, in any order. Returns them
    /// in the order of the expected ones.
    ///
    /// Compares the name, kind, parent, status and scope of each span, all its attributes, and all
    /// its links and events with their attributes. A span that names no [`scope`] must come from
    /// the scope given to [`Builder::expecting_scope`], if any, or from [`Telemetry::tracer`].
    ///
    /// Spans with equal content are told apart by their parents and links, and by the spans that
    /// refer to them; otherwise they are interchangeable. They are assigned one after the other and
    /// never reassigned. Where many equal spans refer to each other in circles, this can report a
    /// difference although there is an assignment without one: give these spans an attribute each.
    ///
    /// # Panics
    ///
    /// If a span differs, is missing or is not expected, with the difference; or if a label is
    /// unknown or given twice.
    ///
    /// [`scope`]: ExpectedSpan::scope
    /// [`Builder::expecting_scope`]: crate::telemetry::Builder::expecting_scope
    #[track_caller]
    pub fn assert_spans(
        &self,
        expected: impl IntoIterator<Item = ExpectedSpan>,
    ) -> Vec<FinishedSpan> {
        self.compare(&expected.into_iter().collect::<Vec<_>>(), false)
    }

    /// Asserts that each of the `expected` spans is finished, and ignores all other spans. Returns
    /// them in the order of the expected ones.
    ///
    /// Compares spans as [`assert_spans`](Self::assert_spans) does: combine it with
    /// [`ExpectedSpan::includes`] to ignore attributes too.
    ///
    /// # Panics
    ///
    /// If a span differs or is missing, with the difference; or if a label is unknown or given
    /// twice.
    #[track_caller]
    pub fn assert_includes(
        &self,
        expected: impl IntoIterator<Item = ExpectedSpan>,
    ) -> Vec<FinishedSpan> {
        self.compare(&expected.into_iter().collect::<Vec<_>>(), true)
    }

    #[track_caller]
    fn compare(&self, expected: &[ExpectedSpan], ignores_others: bool) -> Vec<FinishedSpan> {
        let found = self.spans();
        let comparison = Comparison::new(expected, &found, self.scope.as_ref());
        let mut differences = comparison.differences();
        if !ignores_others {
            differences.extend(comparison.unexpected());
        }
        if differences.len() > MAX_SHOWN {
            let more = differences.split_off(MAX_SHOWN).len();
            differences.push(format!("and {more} more spans\n"));
        }
        let (expected, count) = (expected.len(), found.len());
        let head = format!("spans differ: {expected} expected (-), {count} finished (+)");
        assert!(differences.is_empty(), "{head}\n\n{}", differences.join("\n"));
        comparison.pairs.iter().flatten().map(|&at| found[at].clone()).collect()
    }
}

impl ExpectedSpan {
    /// Gives this span a label, for the parents and links of other expected spans.
    pub fn label(mut self, label: impl Into<Cow<'static, str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Expects this kind instead of internal.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Expects no parent, which is the default.
    pub fn root(mut self) -> Self {
        self.references[0] = ExpectedReference::parent(SpanContext::NONE);
        self
    }

    /// Expects this parent.
    ///
    /// # Panics
    ///
    /// If `parent` is a span context that is not valid.
    #[track_caller]
    pub fn child_of(mut self, parent: impl Into<Target>) -> Self {
        let parent = parent.into();
        if let Target::Context(context) = &parent {
            assert!(context.is_valid(), "the context of the expected parent is not valid");
        }
        self.references[0] = ExpectedReference::parent(parent);
        self
    }

    /// Expects these attributes in addition to those named before.
    ///
    /// # Panics
    ///
    /// If one is named twice.
    #[track_caller]
    pub fn attributes(
        mut self,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Expects these attributes in addition to those named before, and ignores all others.
    ///
    /// # Panics
    ///
    /// If one is named twice.
    #[track_caller]
    pub fn includes(
        mut self,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        self.attributes.extend(attributes);
        self.attributes.allow_others();
        self
    }

    /// Expects one more link, without attributes.
    pub fn linked_to(self, target: impl Into<Target>) -> Self {
        self.link_with(target, [])
    }

    /// Expects one more link, with exactly these attributes.
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
        self.references.push(ExpectedReference { target: target.into(), attributes });
        self
    }

    /// Expects the links in the order in which they are named.
    pub fn links_in_order(mut self) -> Self {
        self.links_in_order = true;
        self
    }

    /// Expects that the SDK dropped this many links because of its limit.
    pub fn dropped_links(mut self, count: u32) -> Self {
        self.dropped_links = count;
        self
    }

    /// Expects one more event, with exactly these attributes.
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

    /// Expects the attribute `error.type` and an error status, with this description or without
    /// one.
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
}

impl ExpectedReference {
    fn parent(target: impl Into<Target>) -> Self {
        Self { target: target.into(), attributes: Attributes::default() }
    }
}

#[cfg(test)]
mod tests;
