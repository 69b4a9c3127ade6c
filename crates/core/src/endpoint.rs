//! One producer or consumer, as its telemetry knows it.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    global::{BoxedSpan, BoxedTracer},
    trace::{Link, Span, SpanBuilder, TraceContextExt, Tracer},
};

use crate::{
    CreationContext, Destination, Instrumentation, Message, NotInjected, Operation, System,
    diagnostics::Diagnostic,
    interned::Attribute,
    metrics::Instruments,
    propagation::Propagator,
    running::Running,
    semconv,
    settings::Settings,
    target::{Target, Targets},
};

/// Room in a span's attributes for what is added once the span is known to record, so that the
/// list is allocated once.
const LATER_ATTRIBUTES: usize = 8;

/// One producer or consumer of a system: what all its operations have in common, and where they
/// start. A cheap handle.
///
/// A client crate makes one for every client it wraps. An application makes one of its own for
/// work that does not come from a broker:
///
/// ```
/// use otel_messaging_core::{CreationContext, Endpoint, Instrumentation, System};
///
/// const OUTBOX: System = System::new("outbox", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
///
/// let endpoint = Endpoint::builder(OUTBOX).build(&Instrumentation::default());
/// let row = "invoice 7";
/// let job = endpoint.restore("invoices", CreationContext::NONE, row);
/// assert_eq!(job.get_ref().get_ref(), &"invoice 7");
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint(pub(crate) Option<Arc<Inner>>);

impl Endpoint {
    /// A builder for an endpoint of `system`.
    pub const fn builder(system: System) -> Builder {
        Builder(Facts { system, attributes: Vec::new(), span_attributes: Vec::new(), server: None })
    }

    /// An endpoint without telemetry.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Whether there is any telemetry: if not, facts need not be gathered.
    pub const fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Starts the clock of an operation whose span is made when it is done (rule R11).
    pub fn clock(&self) -> Clock {
        Clock(self.0.as_ref().map(|inner| inner.before()))
    }

    /// Adds an attribute that the client learned late, such as the cluster's id, to all spans
    /// from here on but those that create messages. Only the first one is kept.
    pub fn learn(&self, attribute: impl FnOnce() -> Option<KeyValue>) {
        if let Some(inner) = &self.0
            && inner.settings.tracing
            && inner.learned.get().is_none()
            && let Some(attribute) = attribute()
        {
            // Whoever was first knew the same.
            let _ = inner.learned.set(attribute);
        }
    }

    /// Says that a context had to be left out of a message after all (rule R4): one diagnostic.
    pub fn report_not_injected(&self, error: NotInjected) {
        if let Some(inner) = &self.0 {
            inner.settings.diagnostics.report(Diagnostic::NotInjected(error));
        }
    }

    /// What `message` carries, or nothing if propagation is off.
    pub fn extract<M: Message + ?Sized>(&self, message: &M) -> CreationContext {
        self.0.as_ref().map_or(CreationContext::NONE, |inner| inner.extract(message))
    }
}

/// Builds an [`Endpoint`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder(Facts);

impl Builder {
    /// `messaging.client.id`: what the client calls itself.
    pub fn client_id(mut self, id: &str) -> Self {
        let id: Arc<str> = id.into();
        self.0.span_attributes.push(KeyValue::new(semconv::CLIENT_ID, id));
        self
    }

    /// `messaging.consumer.group.name`, on consumers.
    pub fn consumer_group(mut self, group: &str) -> Self {
        self.0.attributes.push(Attribute::new(semconv::CONSUMER_GROUP_NAME, group));
        self
    }

    /// `server.address` and `server.port`. An IPv6 address is given without brackets.
    pub fn server(mut self, address: &str, port: Option<u16>) -> Self {
        self.0.attributes.push(Attribute::new(semconv::SERVER_ADDRESS, address));
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        self.0.server = Some(match port {
            Some(port) => {
                self.0.attributes.push(Attribute::Int(semconv::SERVER_PORT, i64::from(port)));
                format!("{host}:{port}")
            }
            None => host,
        });
        self
    }

    /// An attribute for all spans of this endpoint.
    pub fn attribute(mut self, attribute: KeyValue) -> Self {
        self.0.span_attributes.push(attribute);
        self
    }

    /// Makes the endpoint, which works as `instrumentation` says.
    #[must_use = "the endpoint is what the builder is for"]
    pub fn build(self, instrumentation: &Instrumentation) -> Endpoint {
        Endpoint(instrumentation.settings().map(|settings| {
            Arc::new(Inner {
                settings: Arc::clone(settings),
                facts: self.0,
                targets: Targets::default(),
                learned: OnceLock::new(),
                tracer: OnceLock::new(),
                instruments: OnceLock::new(),
                propagator: OnceLock::new(),
            })
        }))
    }
}

/// What is known of an endpoint from the start.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) system: System,
    /// For spans and metrics.
    pub(crate) attributes: Vec<Attribute>,
    /// For spans only.
    span_attributes: Vec<KeyValue>,
    server: Option<String>,
}

impl Facts {
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server.as_deref()
    }
}

/// When an operation began, on both clocks; nothing if the endpoint is disabled.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub(crate) Option<Started>);

/// When an operation began. Nothing, if its span begins where it is made and nothing is measured:
/// a look at the clock costs a good part of what a span does that is not sampled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) time: Option<SystemTime>,
    /// For metrics: the clock that is never set back.
    instant: Option<Instant>,
}

impl Started {
    pub(crate) fn elapsed(self) -> Duration {
        match (self.instant, self.time) {
            (Some(instant), _) => instant.elapsed(),
            // Nothing, where the clock was set back.
            (None, Some(time)) => time.elapsed().unwrap_or_default(),
            (None, None) => Duration::ZERO,
        }
    }
}

/// The state behind the handles of one endpoint.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    pub(crate) facts: Facts,
    targets: Targets,
    learned: OnceLock<KeyValue>,
    /// Set once a tracer turned out to be a real one (R1).
    tracer: OnceLock<BoxedTracer>,
    /// Set once there is a real meter (R1).
    instruments: OnceLock<Instruments>,
    /// Set once the global one is no no-op, or will stay one (R1).
    propagator: OnceLock<Propagator>,
}

/// What is known of a span before it starts.
pub(crate) struct Start<'a> {
    pub(crate) operation: Operation,
    pub(crate) destination: Option<Destination<'a>>,
    pub(crate) parent: &'a Context,
    pub(crate) links: Vec<Link>,
    /// Whether a send span's own context is what its messages carry.
    pub(crate) is_creation_context: bool,
    /// Whether the settings want a span for this operation.
    pub(crate) wants_span: bool,
    pub(crate) started: Started,
}

impl Inner {
    /// The beginning of an operation whose span is made at once.
    pub(crate) fn now(&self) -> Started {
        if self.settings.metrics { self.before() } else { Started { time: None, instant: None } }
    }

    /// The beginning of an operation whose span is made later.
    pub(crate) fn before(&self) -> Started {
        Started { time: Some(SystemTime::now()), instant: self.settings.metrics.then(Instant::now) }
    }

    /// Starts an operation: its span, if one is wanted, and what its metrics will need.
    pub(crate) fn start(self: &Arc<Self>, start: Start<'_>) -> Running {
        let Start { operation, destination, parent, links, started, .. } = start;
        let target =
            self.targets.find(operation, destination.as_ref(), &self.facts, &self.settings);
        let partition = destination.and_then(|destination| destination.partition());
        let wants_span = start.wants_span
            && self.settings.tracing
            && self.settings.passes(operation, destination.as_ref());
        let span = wants_span.then(|| {
            let mut attributes = Vec::with_capacity(
                target.attributes.len() + self.facts.span_attributes.len() + LATER_ATTRIBUTES,
            );
            attributes.extend(target.attributes.iter().map(Attribute::to_key_value));
            if let Some(destination) = &destination {
                describe_destination(destination, &target, &mut attributes);
            }
            attributes.extend(partition.map(|id| target.partition_attribute(id)));
            if let Some(extra) = self.settings.extra_attributes(operation, destination.as_ref()) {
                attributes.extend(extra);
            }
            let kind = operation.operation_type().span_kind(start.is_creation_context);
            self.start_span(
                SpanBuilder {
                    name: target.span_name.clone(),
                    span_kind: Some(kind),
                    start_time: started.time,
                    attributes: Some(attributes),
                    links: (!links.is_empty()).then_some(links),
                    events: None,
                },
                parent,
            )
        });
        Running::new(Arc::clone(self), target, partition, span.flatten(), started)
    }

    /// Starts a span, or finds that there is nobody to record it.
    pub(crate) fn start_span(&self, builder: SpanBuilder, parent: &Context) -> Option<BoxedSpan> {
        // A no-op tracer makes no ids: it answers with the parent's context, or none.
        let is_real = |span: &BoxedSpan| {
            let own = span.span_context();
            own.is_valid() && own.span_id() != parent.span().span_context().span_id()
        };
        if let Some(tracer) = self.tracer.get() {
            return Some(tracer.build_with_context(builder, parent)).filter(is_real);
        }
        let tracer = self.settings.tracer(self.facts.system.scope());
        let span = Some(tracer.build_with_context(builder, parent)).filter(is_real);
        if span.is_some() {
            // Whoever was first has a real one too.
            let _ = self.tracer.set(tracer);
        }
        span
    }

    /// The attributes of this endpoint that samplers need not see.
    pub(crate) fn span_attributes(&self) -> impl Iterator<Item = &KeyValue> {
        self.facts.span_attributes.iter()
    }

    pub(crate) fn learned(&self) -> Option<&KeyValue> {
        self.learned.get()
    }

    pub(crate) fn instruments(&self) -> Option<&Instruments> {
        if !self.settings.metrics {
            return None;
        }
        if let Some(instruments) = self.instruments.get() {
            return Some(instruments);
        }
        let meter = self.settings.meter(self.facts.system.scope())?;
        Some(self.instruments.get_or_init(|| Instruments::new(&meter)))
    }

    pub(crate) fn extract<M: Message + ?Sized>(&self, message: &M) -> CreationContext {
        if self.settings.propagation {
            self.propagator().extract(message)
        } else {
            CreationContext::NONE
        }
    }

    pub(crate) fn propagator(&self) -> &Propagator {
        if let Some(propagator) = self.propagator.get() {
            return propagator;
        }
        match Propagator::resolve(&self.settings.propagator) {
            Some(propagator) => self.propagator.get_or_init(|| propagator),
            // As long as there is no tracer either, the application may still be setting up.
            None if self.tracer.get().is_none() => &Propagator::DEFAULT,
            None => self.propagator.get_or_init(|| Propagator::DEFAULT),
        }
    }
}

fn describe_destination(
    destination: &Destination<'_>,
    target: &Target,
    attributes: &mut Vec<KeyValue>,
) {
    if !target.has_name() {
        attributes.push(KeyValue::new(semconv::DESTINATION_NAME, destination.name().to_owned()));
    }
    if destination.is_temporary() {
        attributes.push(KeyValue::new(semconv::DESTINATION_TEMPORARY, true));
    }
    if destination.is_anonymous() {
        attributes.push(KeyValue::new(semconv::DESTINATION_ANONYMOUS, true));
    }
}

/// The context an operation starts in, unless its telemetry is suppressed (R5).
pub(crate) fn ambient() -> Option<Context> {
    let context = Context::current();
    (!context.is_telemetry_suppressed()).then_some(context)
}
