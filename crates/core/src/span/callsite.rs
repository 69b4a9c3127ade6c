//! Where process spans come from, as the subscribers of `tracing` see it.

use std::{
    borrow::Cow,
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing::{
    Level, Metadata, Span,
    callsite::{DefaultCallsite, Identifier},
    dispatcher,
    field::{Field, FieldSet, Value},
    level_filters::{LevelFilter, STATIC_MAX_LEVEL},
    metadata::Kind,
};

use crate::semconv;

/// The fields of a process span: the layer makes the span's name and kind of the first two, and an
/// attribute of each other one. They are in the order that attributes have.
pub(crate) const FIELDS: [&str; 13] = [
    "otel.name",
    "otel.kind",
    semconv::SYSTEM,
    semconv::OPERATION_NAME,
    semconv::DESTINATION_TEMPLATE,
    semconv::DESTINATION_NAME,
    semconv::CONSUMER_GROUP_NAME,
    semconv::SERVER_ADDRESS,
    semconv::SERVER_PORT,
    semconv::OPERATION_TYPE,
    semconv::DESTINATION_TEMPORARY,
    semconv::DESTINATION_ANONYMOUS,
    semconv::DESTINATION_PARTITION_ID,
];
pub(crate) const NAME_FIELD: usize = 0;
pub(crate) const KIND_FIELD: usize = 1;

/// The span's name for `tracing`, which must be the same for all spans of a callsite.
const NAME: &str = "process";
const DEFAULT_TARGET: &str = "otel_messaging";
const DEFAULT_LEVEL: Level = Level::INFO;

/// The target and the level of an instrumentation's process spans.
#[derive(Debug)]
pub(crate) struct ProcessCallsite {
    pub(crate) target: Cow<'static, str>,
    pub(crate) level: Level,
    callsite: OnceLock<&'static Callsite>,
}

impl Default for ProcessCallsite {
    fn default() -> Self {
        let (target, level) = (DEFAULT_TARGET.into(), DEFAULT_LEVEL);
        Self { target, level, callsite: OnceLock::new() }
    }
}

impl ProcessCallsite {
    pub(crate) fn get(&self) -> &'static Callsite {
        self.callsite.get_or_init(|| Callsite::find(&self.target, self.level))
    }
}

/// The callsite of process spans of one target and level.
#[derive(Debug)]
pub(crate) struct Callsite {
    metadata: &'static Metadata<'static>,
    /// Caches which subscribers are interested.
    registered: &'static DefaultCallsite,
    /// As many as there are names.
    fields: Option<[Field; FIELDS.len()]>,
}

impl Callsite {
    /// Finds the callsite of this target and level. Subscribers know a callsite by its address, so
    /// each is made once and kept for the life of the process.
    fn find(target: &str, level: Level) -> &'static Self {
        static KNOWN: Mutex<Vec<&'static Callsite>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |callsite: &&&Self| {
            callsite.metadata.target() == target && *callsite.metadata.level() == level
        };
        if let Some(callsite) = known.iter().find(is_it) {
            return callsite;
        }
        let callsite: &Self = Box::leak(Box::new(Self::new(target.to_owned().leak(), level)));
        known.push(callsite);
        callsite
    }

    fn new(target: &'static str, level: Level) -> Self {
        // Metadata and callsite refer to each other. The metadata's identifier is the address of a
        // callsite that is never registered.
        let address = Box::leak(Box::new(DefaultCallsite::new(&NO_METADATA)));
        let metadata = &*Box::leak(Box::new(metadata(target, level, address)));
        let registered = Box::leak(Box::new(DefaultCallsite::new(metadata)));
        let fields = metadata.fields().iter().collect::<Vec<_>>().try_into().ok();
        Self { metadata, registered, fields }
    }

    /// Returns whether the current subscriber may want a span. A span must be made right after it,
    /// or not at all: filters of layers remember their answers until then.
    pub(crate) fn is_enabled(&self) -> bool {
        let level = *self.metadata.level();
        if level > STATIC_MAX_LEVEL || level > LevelFilter::current() {
            return false;
        }
        let interest = self.registered.interest();
        interest.is_always()
            || !interest.is_never()
                && dispatcher::get_default(|dispatch| dispatch.enabled(self.metadata))
    }

    /// Makes a span with the values of [`FIELDS`]. For `tracing` it is a child of the current span,
    /// unless it is detached.
    pub(crate) fn new_span(
        &self,
        values: &[Option<&dyn Value>; FIELDS.len()],
        is_detached: bool,
    ) -> Span {
        let Some(fields) = &self.fields else { return Span::none() };
        let values: [_; FIELDS.len()] =
            std::array::from_fn(|index| (&fields[index], values[index]));
        let values = self.metadata.fields().value_set(&values);
        if is_detached {
            Span::new_root(self.metadata, &values)
        } else {
            Span::new(self.metadata, &values)
        }
    }
}

const fn metadata(
    target: &'static str,
    level: Level,
    callsite: &'static DefaultCallsite,
) -> Metadata<'static> {
    let fields = FieldSet::new(&FIELDS, Identifier(callsite));
    Metadata::new(NAME, target, level, None, None, None, fields, Kind::SPAN)
}

static NO_CALLSITE: DefaultCallsite = DefaultCallsite::new(&NO_METADATA);
static NO_METADATA: Metadata<'static> = metadata(DEFAULT_TARGET, DEFAULT_LEVEL, &NO_CALLSITE);
