use std::{collections::HashMap, sync::Arc};

use opentelemetry_proto::{
    tonic::{
        common::v1::InstrumentationScope,
        resource::v1::Resource,
        trace::v1::{ResourceSpans, Span as Otlp, span::SpanKind, status::StatusCode},
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource as SdkResource, trace::SpanData};

use crate::{
    problem::{Problem, count},
    value::text,
};

/// A finished span, and what exported it.
#[derive(Clone, Debug)]
pub struct Span {
    /// The service and the instrumentation that made the span.
    pub origin: Arc<Origin>,
    /// The span as OTLP has it.
    pub otlp: Otlp,
}

/// What made a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The resource: the attributes of the process.
    pub resource: Resource,
    /// The instrumentation scope.
    pub scope: InstrumentationScope,
    /// The scope's schema URL.
    pub schema_url: String,
}

/// The trace id and the span id of a span. Both are valid.
pub(crate) type Id = ([u8; 16], [u8; 8]);

impl Span {
    /// Returns the `service.name`. It is empty if the resource has none.
    pub fn service(&self) -> &str {
        text(&self.origin.resource.attributes, "service.name")
    }

    /// Returns the `messaging.operation.type`. It is empty for spans of other instrumentation.
    ///
    /// Older conventions called the attribute `messaging.operation`, and sending `publish`.
    pub fn operation(&self) -> &str {
        let operation = self.text("messaging.operation.type");
        let old = self.text("messaging.operation");
        match if operation.is_empty() { old } else { operation } {
            "publish" => "send",
            "deliver" => "process",
            operation => operation,
        }
    }

    /// Returns the text of an attribute. It is empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        text(&self.otlp.attributes, key)
    }

    /// Returns the description of the span's status if that is an error.
    pub fn failure(&self) -> Option<&str> {
        let status = self.otlp.status.as_ref()?;
        (status.code() == StatusCode::Error).then_some(&*status.message)
    }

    /// Tells whether the span exists only to hold links of its parent, which are more than the SDK
    /// keeps on one span.
    pub fn is_overflow(&self) -> bool {
        let Otlp { name, links, .. } = &self.otlp;
        self.otlp.kind() == SpanKind::Internal && name == "links" && !links.is_empty()
    }

    /// Returns the ids, unless one of them is not valid.
    pub(crate) fn id(&self) -> Option<Id> {
        id(&self.otlp.trace_id, &self.otlp.span_id)
    }
}

pub(crate) fn id(trace_id: &[u8], span_id: &[u8]) -> Option<Id> {
    let ids = (trace_id.try_into().ok()?, span_id.try_into().ok()?);
    (ids.0 != [0; 16] && ids.1 != [0; 8]).then_some(ids)
}

/// Collects finished spans from files, exporters and receivers, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Spans {
    all: Vec<Span>,
    pub(crate) problems: Vec<Problem>,
    by_id: HashMap<Id, usize>,
    repeated: usize,
    different: usize,
}

impl Spans {
    /// Starts with no spans.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds spans as OTLP has them. A span whose ids were added before is counted and left out.
    pub fn add(&mut self, spans: ResourceSpans) {
        let resource = spans.resource.unwrap_or_default();
        for scope_spans in spans.scope_spans {
            let origin = Arc::new(Origin {
                resource: resource.clone(),
                scope: scope_spans.scope.unwrap_or_default(),
                schema_url: scope_spans.schema_url,
            });
            for otlp in scope_spans.spans {
                self.add_one(Span { origin: Arc::clone(&origin), otlp });
            }
        }
    }

    /// Adds spans as an exporter of the SDK gets them, such as its in-memory exporter. `resource` is
    /// what exported them: the provider's resource.
    pub fn add_finished(
        &mut self,
        resource: &SdkResource,
        spans: impl IntoIterator<Item = SpanData>,
    ) {
        let resource = ResourceAttributesWithSchema::from(resource);
        let spans = spans.into_iter().collect();
        for it in group_spans_by_resource_and_scope(spans, &resource) {
            self.add(it);
        }
    }

    /// Returns how many spans there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns true if there are no spans.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn add_one(&mut self, span: Span) {
        if let Some(id) = span.id() {
            if let Some(&earlier) = self.by_id.get(&id) {
                let is_same = self.all[earlier].otlp == span.otlp;
                *(if is_same { &mut self.repeated } else { &mut self.different }) += 1;
                return;
            }
            self.by_id.insert(id, self.all.len());
        }
        self.all.push(span);
    }

    /// Returns the spans, their indexes by id, and the problems.
    pub(crate) fn finish(mut self) -> (Vec<Span>, HashMap<Id, usize>, Vec<Problem>) {
        if self.repeated > 0 {
            let spans = count(self.repeated, "span");
            let text = format!("{spans} came more than once and are shown once");
            self.problems.push(Problem::new(text));
        }
        if self.different > 0 {
            let spans = count(self.different, "span");
            let [have, them] = if self.different == 1 { ["has", "it"] } else { ["have", "them"] };
            let text = format!(
                "{spans} {have} the ids of another span that differs from {them}; only the first \
                 one is shown"
            );
            self.problems.push(Problem::new(text));
        }
        (self.all, self.by_id, self.problems)
    }
}
