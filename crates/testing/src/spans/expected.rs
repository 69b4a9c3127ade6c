//! What a test expects of a span.

use std::{borrow::Cow, iter};

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanKind, Status},
};

use super::Target;
use crate::attributes::{Attributes, ExpectedValue};

/// A span that a test expects. [`span`] creates one.
#[derive(Clone, Debug)]
#[must_use = "only `assert_spans` compares it"]
pub struct ExpectedSpan {
    pub(super) name: Cow<'static, str>,
    pub(super) label: Option<Cow<'static, str>>,
    /// `None` is internal, or any kind where the rest is ignored.
    pub(super) kind: Option<SpanKind>,
    pub(super) attributes: Attributes,
    /// The parent first, then the links.
    pub(super) references: Vec<ExpectedReference>,
    pub(super) links_in_order: bool,
    pub(super) dropped_links: u32,
    pub(super) events: Vec<(Cow<'static, str>, Attributes)>,
    pub(super) status: Status,
    pub(super) scope: Option<InstrumentationScope>,
    pub(super) names_parent: bool,
    pub(super) ignores_rest: bool,
}

/// A parent or a link. The parent of a root span is a context that is not valid.
#[derive(Clone, Debug)]
pub(super) struct ExpectedReference {
    pub(super) target: Target,
    pub(super) attributes: Attributes,
}

/// Expects a span with this name: kind internal, status Unset, no parent, attributes, links or
/// events.
pub fn span(name: impl Into<Cow<'static, str>>) -> ExpectedSpan {
    ExpectedSpan {
        name: name.into(),
        label: None,
        kind: None,
        attributes: Attributes::default(),
        references: vec![ExpectedReference::parent(SpanContext::NONE)],
        links_in_order: false,
        dropped_links: 0,
        events: Vec::new(),
        status: Status::Unset,
        scope: None,
        names_parent: false,
        ignores_rest: false,
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
        self.kind = Some(kind);
        self
    }

    /// Expects no parent, which is the default.
    pub fn root(mut self) -> Self {
        self.references[0] = ExpectedReference::parent(SpanContext::NONE);
        self.names_parent = true;
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
        self.names_parent = true;
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

    /// Expects these attributes in addition to those named before, and ignores what is not named:
    /// the kind, the parent, and other attributes, links, events and attributes of these.
    ///
    /// The status is compared all the same: unless an error is named, a span that failed differs.
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
        self.ignores_rest = true;
        let links = self.references[1..].iter_mut().map(|link| &mut link.attributes);
        let events = self.events.iter_mut().map(|(_, attributes)| attributes);
        iter::once(&mut self.attributes)
            .chain(links)
            .chain(events)
            .for_each(Attributes::allow_others);
        self
    }

    /// Expects one more link, without attributes.
    pub fn linked_to(self, target: impl Into<Target>) -> Self {
        self.link_with(target, [])
    }

    /// Expects one more link, with exactly these attributes; after [`includes`](Self::includes),
    /// with these and any others.
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
        let attributes = self.part(attributes);
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

    /// Expects one more event, with exactly these attributes; after [`includes`](Self::includes),
    /// with these and any others.
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
        let attributes = self.part(attributes);
        self.events.push((name.into(), attributes));
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

    /// Returns the attributes of a link or an event.
    #[track_caller]
    fn part(
        &self,
        attributes: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Attributes {
        let mut attributes = Attributes::from_pairs(attributes);
        if self.ignores_rest {
            attributes.allow_others();
        }
        attributes
    }

    /// Tells whether a parent of any kind, or none, is as expected.
    pub(super) fn ignores_parent(&self) -> bool {
        self.ignores_rest && !self.names_parent
    }
}

impl ExpectedReference {
    fn parent(target: impl Into<Target>) -> Self {
        Self { target: target.into(), attributes: Attributes::default() }
    }
}
