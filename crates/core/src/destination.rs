//! Where messages go to or come from, and what of it may become a label.

/// A destination as one message or operation names it.
///
/// This is the one place for the low-cardinality rule (R20): a span's name and a metric carry the
/// template where there is one, the name where the destination is neither temporary nor
/// anonymous, and nothing otherwise. The span's attributes always carry the name.
///
/// ```
/// use otel_messaging_core::Destination;
///
/// let orders = Destination::new("orders").with_partition(3);
/// assert_eq!(orders.name(), "orders");
/// let inbox = Destination::new("_INBOX.x7Qk").temporary();
/// assert!(inbox.is_temporary());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination<'a> {
    name: &'a str,
    template: Option<&'a str>,
    partition: Option<u32>,
    temporary: bool,
    anonymous: bool,
}

impl<'a> Destination<'a> {
    /// The destination called `name`: a topic, a queue, a subject.
    pub const fn new(name: &'a str) -> Self {
        Self { name, template: None, partition: None, temporary: false, anonymous: false }
    }

    /// Says which low-cardinality template the name was made from.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn with_template(mut self, template: &'a str) -> Self {
        self.template = Some(template);
        self
    }

    /// Says which partition of the destination is meant.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn with_partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Says that the destination goes away with its user, as a reply inbox does.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// Says that the name was made up by the broker or a library.
    #[must_use = "a `Destination` is a value: this returns the changed one"]
    pub const fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The full name.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The low-cardinality template, if one is known.
    pub const fn template(&self) -> Option<&'a str> {
        self.template
    }

    /// The partition, if one is known.
    pub const fn partition(&self) -> Option<u32> {
        self.partition
    }

    /// Whether the destination goes away with its user.
    pub const fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Whether the name was made up by the broker or a library.
    pub const fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    pub(crate) const fn without_partition(mut self) -> Self {
        self.partition = None;
        self
    }

    /// What may become a label, before the limit on distinct names is asked.
    pub(crate) const fn label(&self) -> Label<'a> {
        match self.template {
            Some(template) => Label::Template(template),
            None if self.temporary || self.anonymous => Label::Unnamed,
            None => Label::Name(self.name),
        }
    }
}

/// What a span's name and the metrics say of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Label<'a> {
    Name(&'a str),
    Template(&'a str),
    /// There is a destination, but its name is no label.
    Unnamed,
    /// The operation has no single destination.
    None,
}
