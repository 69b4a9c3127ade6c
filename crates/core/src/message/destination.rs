//! Where messages go to or come from, and what of it may become a label.

/// Names a destination as one message or operation knows it: a topic, a queue, a subject.
///
/// It decides which name may become a label. A span's name and a metric carry the template where
/// there is one, the name where the destination is neither temporary nor anonymous, and nothing
/// otherwise. The span's attributes always carry the name.
///
/// ```
/// use otel_messaging_core::Destination;
///
/// let orders = Destination::new("orders").with_partition(3);
/// assert_eq!(orders.name(), "orders");
/// let inbox = Destination::new("_INBOX.x7Qk").temporary();
/// assert!(inbox.is_temporary());
/// ```
///
/// Specification: [`messaging.destination.*`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination<'a> {
    name: &'a str,
    template: Option<&'a str>,
    partition: Option<u32>,
    temporary: bool,
    anonymous: bool,
}

impl<'a> Destination<'a> {
    /// Makes the destination called `name`.
    pub const fn new(name: &'a str) -> Self {
        Self { name, template: None, partition: None, temporary: false, anonymous: false }
    }

    /// Sets the low-cardinality template that the name was made from.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn with_template(mut self, template: &'a str) -> Self {
        self.template = Some(template);
        self
    }

    /// Sets the partition of the destination.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn with_partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Marks the destination as one that goes away with its user, as a reply inbox does.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// Marks the name as one that the broker or a library made up.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Returns the full name; empty where messages have one template and several names.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the low-cardinality template, if one is known.
    pub const fn template(&self) -> Option<&'a str> {
        self.template
    }

    /// Returns the partition, if one is known.
    pub const fn partition(&self) -> Option<u32> {
        self.partition
    }

    /// Returns whether the destination goes away with its user.
    pub const fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Returns whether the name was made up by the broker or a library.
    pub const fn is_anonymous(&self) -> bool {
        self.anonymous
    }
}

#[cfg(feature = "otel")]
impl<'a> Destination<'a> {
    pub(crate) const fn without_partition(mut self) -> Self {
        self.partition = None;
        self
    }

    /// Returns what may become a label, before the limit on distinct names applies.
    pub(crate) const fn label(&self) -> Label<'a> {
        match self.template {
            Some(template) => Label::Template(template),
            None if self.temporary || self.anonymous => Label::Unnamed,
            None => Label::Name(self.name),
        }
    }
}

/// What a span's name and the metrics say of a destination.
#[cfg(feature = "otel")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Label<'a> {
    Name(&'a str),
    Template(&'a str),
    /// The destination's name is no label.
    Unnamed,
    /// The operation has no single destination.
    None,
}
