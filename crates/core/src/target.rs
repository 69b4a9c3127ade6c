//! What an operation says of its destination, built once and shared.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

use opentelemetry::{KeyValue, StringValue, Value};

use crate::{
    Destination, Operation, destination::Label, endpoint::Facts, instrumentation::Settings,
    metrics::Series, semconv,
};

/// Targets that are kept; an endpoint that meets more builds them as it goes. Names are limited
/// long before this (R20), templates are the application's word.
const MAX_TARGETS: usize = 4096;
/// Partitions that are kept for a target; those above are left out of metrics.
const MAX_PARTITIONS: usize = 4096;

/// An operation on a destination: its span's name and attributes, and its metric series.
#[derive(Debug)]
pub(crate) struct Target {
    operation: Operation,
    label: OwnedLabel,
    pub(crate) span_name: Cow<'static, str>,
    /// The sampling-relevant attributes, without the partition.
    pub(crate) attributes: Vec<KeyValue>,
    series_attributes: Vec<KeyValue>,
    pub(crate) series: Series,
    partitions: RwLock<Vec<Option<Arc<Partition>>>>,
}

/// A partition of a target.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) attribute: KeyValue,
    /// `None` past the limit on partitions.
    pub(crate) series: Option<Series>,
}

#[derive(Debug, PartialEq)]
enum OwnedLabel {
    Name(Value),
    Template(Value),
    Unnamed,
    None,
}

impl Target {
    fn new(operation: Operation, label: Label<'_>, facts: &Facts) -> Self {
        let text = |text: &str| Value::String(StringValue::from(Arc::<str>::from(text)));
        let (destination, owned) = match label {
            Label::Name(name) => {
                let value = text(name);
                let attribute = KeyValue::new(semconv::DESTINATION_NAME, value.clone());
                (Some((name, attribute)), OwnedLabel::Name(value))
            }
            Label::Template(template) => {
                let value = text(template);
                let attribute = KeyValue::new(semconv::DESTINATION_TEMPLATE, value.clone());
                (Some((template, attribute)), OwnedLabel::Template(value))
            }
            Label::Unnamed => (None, OwnedLabel::Unnamed),
            Label::None => (None, OwnedLabel::None),
        };
        let verb = operation.name();
        // Conventions, "Span name": the server stands in only where no destination is meant.
        let span_name = match (&destination, label, facts.server_name()) {
            (Some((name, _)), ..) => Cow::Owned(format!("{verb} {name}")),
            (None, Label::None, Some(server)) => Cow::Owned(format!("{verb} {server}")),
            _ => Cow::Borrowed(verb),
        };
        let mut common = vec![
            KeyValue::new(semconv::SYSTEM, facts.system.name()),
            KeyValue::new(semconv::OPERATION_NAME, verb),
        ];
        common.extend(destination.map(|(_, attribute)| attribute));
        common.extend_from_slice(&facts.attributes);
        let mut attributes = common.clone();
        let kind = operation.operation_type();
        attributes.push(KeyValue::new(semconv::OPERATION_TYPE, kind.as_str()));
        Self {
            operation,
            label: owned,
            span_name,
            attributes,
            series: Series::new(common.clone(), kind),
            series_attributes: common,
            partitions: RwLock::default(),
        }
    }

    /// Whether the attributes hold the destination's name already.
    pub(crate) const fn has_name(&self) -> bool {
        matches!(self.label, OwnedLabel::Name(_))
    }

    pub(crate) fn partition(&self, id: u32) -> Arc<Partition> {
        let index = id as usize;
        let known = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(partition)) = known.get(index) {
            return Arc::clone(partition);
        }
        drop(known);
        let id: Arc<str> = id.to_string().into();
        let attribute = KeyValue::new(semconv::DESTINATION_PARTITION_ID, id);
        if index >= MAX_PARTITIONS {
            return Arc::new(Partition { attribute, series: None });
        }
        let mut series = self.series_attributes.clone();
        series.push(attribute.clone());
        let series = Some(Series::new(series, self.operation.operation_type()));
        let partition = Arc::new(Partition { attribute, series });
        let mut known = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        // Another thread may have been first: its series is the one that is bound.
        Arc::clone(known[index].get_or_insert(partition))
    }

    fn is(&self, operation: Operation, label: Label<'_>) -> bool {
        self.operation == operation
            && match (&self.label, label) {
                (OwnedLabel::Name(value), Label::Name(text))
                | (OwnedLabel::Template(value), Label::Template(text)) => value.as_str() == text,
                (OwnedLabel::Unnamed, Label::Unnamed) | (OwnedLabel::None, Label::None) => true,
                _ => false,
            }
    }
}

/// The targets an endpoint has met.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    random: RandomState,
    /// By hash, so that a look-up borrows its key. Should two keys share a hash, the second is
    /// not kept.
    known: RwLock<HashMap<u64, Arc<Target>, BuildHasherDefault<Hashed>>>,
}

impl Targets {
    pub(crate) fn find(
        &self,
        operation: Operation,
        destination: Option<&Destination<'_>>,
        facts: &Facts,
        settings: &Settings,
    ) -> Arc<Target> {
        let label = destination.map_or(Label::None, Destination::label);
        if let Some(target) = self.get(operation, label) {
            return target;
        }
        let Label::Name(name) = label else { return self.add(operation, label, facts) };
        // A name that is not known may have a template, or be one too many (R20).
        if let Some(template) = settings.template(name) {
            let label = Label::Template(&template);
            self.get(operation, label).unwrap_or_else(|| self.add(operation, label, facts))
        } else if settings.admits(name) {
            self.add(operation, label, facts)
        } else {
            let label = Label::Unnamed;
            self.get(operation, label).unwrap_or_else(|| self.add(operation, label, facts))
        }
    }

    fn get(&self, operation: Operation, label: Label<'_>) -> Option<Arc<Target>> {
        let hash = self.random.hash_one((operation, label));
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&hash).filter(|target| target.is(operation, label)).cloned()
    }

    fn add(&self, operation: Operation, label: Label<'_>, facts: &Facts) -> Arc<Target> {
        let hash = self.random.hash_one((operation, label));
        let target = Arc::new(Target::new(operation, label, facts));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TARGETS {
            return target;
        }
        let kept = known.entry(hash).or_insert_with(|| Arc::clone(&target));
        if kept.is(operation, label) { Arc::clone(kept) } else { target }
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys are hashed; this keeps the trait's promise for any other.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
