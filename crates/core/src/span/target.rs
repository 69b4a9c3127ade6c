//! The span name, the attributes and the metric series of an operation on a destination, built once
//! and shared.

use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use opentelemetry::KeyValue;

use crate::{
    Destination, Operation,
    instrumenter::Inner,
    message::destination::Label,
    semconv,
    span::{
        interned::{self, Attribute},
        metrics::Series,
        numbered::Numbered,
        telemetry::Telemetry,
    },
};

const CHAINS: usize = 64;
/// Leaves the upper bits of a hash, as many as number the chains.
const CHAIN_SHIFT: u32 = u64::BITS - CHAINS.ilog2();

/// What the spans and the metrics of an operation on a destination have in common.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) operation: Operation,
    label: OwnedLabel,
    /// Its number among those that are kept.
    number: Option<u32>,
    pub(crate) span_name: Cow<'static, str>,
    /// The sampling-relevant attributes, without the partition.
    pub(crate) attributes: Vec<Attribute>,
    series_attributes: Vec<KeyValue>,
    series: Series,
    partitions: Numbered<Partition>,
}

/// A target as an operation holds it. An operation that ends in the call which started it borrows
/// it, as all threads would write to a reference count.
#[derive(Debug)]
pub(crate) enum Shared<'a> {
    Borrowed(&'a Arc<Target>),
    Owned(Arc<Target>),
}

impl Shared<'_> {
    pub(crate) fn into_owned(self) -> Shared<'static> {
        match self {
            Self::Borrowed(target) => Shared::Owned(Arc::clone(target)),
            Self::Owned(target) => Shared::Owned(target),
        }
    }

    /// Returns another handle of the target.
    pub(crate) fn share(&self) -> Shared<'static> {
        Shared::Owned(match self {
            Self::Borrowed(target) => Arc::clone(target),
            Self::Owned(target) => Arc::clone(target),
        })
    }
}

impl Deref for Shared<'_> {
    type Target = Target;

    fn deref(&self) -> &Target {
        match self {
            Self::Borrowed(target) => target,
            Self::Owned(target) => target,
        }
    }
}

/// A partition of a target.
#[derive(Debug)]
struct Partition {
    attribute: Attribute,
    series: Series,
}

#[derive(Debug, PartialEq)]
enum OwnedLabel {
    Name(Box<str>),
    Template(Box<str>),
    Unnamed,
    None,
}

impl Target {
    fn new(operation: Operation, label: Label<'_>, inner: &Inner, number: Option<u32>) -> Self {
        let facts = &inner.facts;
        let (destination, owned) = match label {
            Label::Name(name) => {
                (Some((semconv::DESTINATION_NAME, name)), OwnedLabel::Name(name.into()))
            }
            Label::Template(template) => (
                Some((semconv::DESTINATION_TEMPLATE, template)),
                OwnedLabel::Template(template.into()),
            ),
            Label::Unnamed => (None, OwnedLabel::Unnamed),
            Label::None => (None, OwnedLabel::None),
        };
        let verb = operation.name();
        // Conventions, "Span name": the server's name is used only where there is no destination.
        let span_name = match (&destination, label, facts.server.as_deref()) {
            (Some((_, name)), ..) => interned::text(format!("{verb} {name}")),
            (None, Label::None, Some(server)) => interned::text(format!("{verb} {server}")),
            _ => Cow::Borrowed(verb),
        };
        let mut attributes = vec![
            Attribute::Static(semconv::SYSTEM, facts.system.name()),
            Attribute::Static(semconv::OPERATION_NAME, verb),
        ];
        attributes.extend(destination.map(|(key, name)| Attribute::new(key, name)));
        attributes.extend_from_slice(&facts.attributes);
        let common: Vec<_> = attributes.iter().map(Attribute::to_key_value).collect();
        let kind = operation.operation_type();
        attributes.push(Attribute::Static(semconv::OPERATION_TYPE, kind.as_str()));
        Self {
            telemetry: Arc::clone(&inner.telemetry),
            operation,
            label: owned,
            number,
            span_name,
            attributes,
            series: Series::new(common.clone(), kind, number.is_some()),
            series_attributes: common,
            partitions: Numbered::default(),
        }
    }

    /// Returns whether the attributes hold the destination's name already.
    pub(crate) const fn has_name(&self) -> bool {
        matches!(self.label, OwnedLabel::Name(_))
    }

    /// Returns its number, by which [`Targets::numbered`] finds it.
    pub(crate) const fn number(&self) -> Option<u32> {
        self.number
    }

    pub(crate) fn partition_attribute(&self, id: u32) -> KeyValue {
        match self.partition(id) {
            Some(partition) => partition.attribute.to_key_value(),
            None => KeyValue::new(semconv::DESTINATION_PARTITION_ID, id.to_string()),
        }
    }

    /// Returns the metric series, with the partition where one is known and not past the limit.
    pub(crate) fn series(&self, partition: Option<u32>) -> &Series {
        let partition = partition.and_then(|id| self.partition(id));
        partition.map_or(&self.series, |partition| &partition.series)
    }

    fn partition(&self, id: u32) -> Option<&Partition> {
        Some(self.partitions.place(id)?.get_or_init(|| {
            let attribute = Attribute::new(semconv::DESTINATION_PARTITION_ID, &id.to_string());
            let mut series = self.series_attributes.clone();
            series.push(attribute.to_key_value());
            let kind = self.operation.operation_type();
            Partition { attribute, series: Series::new(series, kind, self.series.is_kept()) }
        }))
    }

    fn is(&self, operation: Operation, label: Label<'_>) -> bool {
        self.operation == operation
            && match (&self.label, label) {
                (OwnedLabel::Name(known), Label::Name(text))
                | (OwnedLabel::Template(known), Label::Template(text)) => **known == *text,
                (OwnedLabel::Unnamed, Label::Unnamed) | (OwnedLabel::None, Label::None) => true,
                _ => false,
            }
    }
}

/// The targets of one instrumenter: a hash table whose chains only grow, so that it is read without
/// a lock, as every operation looks one up.
///
/// `cargo xtask bench` compares it with a `RwLock<HashMap>`.
#[derive(Debug)]
pub(crate) struct Targets {
    /// A random seed, against names that are chosen to collide.
    seed: u64,
    chains: [Chain; CHAINS],
    numbered: Numbered<Arc<Target>>,
    kept: AtomicU32,
}

type Chain = OnceLock<Box<Entry>>;

#[derive(Debug)]
struct Entry {
    target: Arc<Target>,
    next: Chain,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            seed: RandomState::new().hash_one(()),
            chains: [const { OnceLock::new() }; CHAINS],
            numbered: Numbered::default(),
            kept: AtomicU32::new(0),
        }
    }
}

impl Inner {
    /// Returns the target of an operation on this destination.
    pub(crate) fn target(
        &self,
        operation: Operation,
        destination: Option<&Destination<'_>>,
    ) -> Shared<'_> {
        let (targets, settings) = (&self.targets, &self.settings);
        let fallback = self.facts.fallback_destination();
        let label = destination.or(fallback.as_ref()).map_or(Label::None, Destination::label);
        if let Some(target) = targets.get(operation, label) {
            return target;
        }
        let Label::Name(name) = label else { return targets.add(operation, label, self) };
        // A new name may have a template, or be past the limit on distinct names.
        if let Some(template) = settings.template(name) {
            let label = Label::Template(&template);
            targets.get(operation, label).unwrap_or_else(|| targets.add(operation, label, self))
        } else if settings.admits(name) {
            targets.add(operation, label, self)
        } else {
            let label = Label::Unnamed;
            targets.get(operation, label).unwrap_or_else(|| targets.add(operation, label, self))
        }
    }
}

impl Targets {
    fn get(&self, operation: Operation, label: Label<'_>) -> Option<Shared<'_>> {
        let mut chain = self.chain(operation, label);
        while let Some(entry) = chain.get() {
            if entry.target.is(operation, label) {
                return Some(Shared::Borrowed(&entry.target));
            }
            chain = &entry.next;
        }
        None
    }

    fn add(&self, operation: Operation, label: Label<'_>, inner: &Inner) -> Shared<'_> {
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.numbered.place(number) else {
            self.kept.fetch_sub(1, Ordering::Relaxed);
            return Shared::Owned(Arc::new(Target::new(operation, label, inner, None)));
        };
        let target =
            place.get_or_init(|| Target::new(operation, label, inner, Some(number)).into());
        let mut chain = self.chain(operation, label);
        loop {
            let entry = chain
                .get_or_init(|| Entry { target: Arc::clone(target), next: OnceLock::new() }.into());
            // Another thread may have added this target or another one meanwhile.
            if entry.target.is(operation, label) {
                return Shared::Borrowed(&entry.target);
            }
            chain = &entry.next;
        }
    }

    /// Returns the target with this number.
    pub(crate) fn numbered(&self, number: u32) -> Option<&Arc<Target>> {
        self.numbered.place(number)?.get()
    }

    /// Finds the chain by a hash that is weaker and faster than the standard library's; `Target::is`
    /// compares the whole key.
    fn chain(&self, operation: Operation, label: Label<'_>) -> &Chain {
        let (kind, text) = match label {
            Label::Name(name) => (0, name),
            Label::Template(template) => (1, template),
            Label::Unnamed => (2, ""),
            Label::None => (3, ""),
        };
        // Verbs of one type are few: they may share a chain.
        let kind = (operation.operation_type() as u64) << 2 | kind;
        let hash = mix(self.seed ^ kind, text);
        &self.chains[(hash >> CHAIN_SHIFT) as usize]
    }
}

/// Mixes `text` into `hash`, eight bytes at a time.
fn mix(hash: u64, text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks();
    let rest = rest.iter().fold(text.len() as u64, |word, &byte| word << 8 | u64::from(byte));
    let hash = words.iter().fold(hash, |hash, &word| fold(hash, u64::from_le_bytes(word)));
    fold(hash, rest)
}

/// Multiplies, which mixes the upper bits best.
const fn fold(hash: u64, word: u64) -> u64 {
    /// Digits of pi: odd, and without a pattern.
    const FACTOR: u64 = 0x243f_6a88_85a3_08d3;
    (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instrumentation, Instrumenter, System};

    const SYSTEM: System = System::new("test", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

    #[test]
    fn a_target_is_built_once_whatever_chain_it_is_in() {
        let instrumenter = Instrumenter::builder(SYSTEM).build(&Instrumentation::builder().build());
        let inner = instrumenter.0.unwrap();
        // More than there are chains, so that some are shared.
        let names: Vec<_> = (0..2 * CHAINS).map(|number| format!("orders.{number}")).collect();
        let find = |name| inner.target(Operation::PROCESS, Some(&Destination::new(name)));
        let built: Vec<_> = names.iter().map(|name| find(name)).collect();
        for (name, target) in names.iter().zip(&built) {
            assert_eq!(target.span_name, format!("process {name}"));
            assert_eq!(&raw const **target, &raw const *find(name));
        }
        let created = inner.targets.get(Operation::CREATE, Label::Name("orders.0"));
        assert!(created.is_none(), "another operation is another target");
    }

    #[test]
    fn every_table_has_a_seed_of_its_own() {
        assert_ne!(Targets::default().seed, Targets::default().seed);
        let (orders, seed) = ("orders", Targets::default().seed);
        assert_ne!(mix(seed, orders), mix(!seed, orders), "the seed is part of the hash");
    }
}
