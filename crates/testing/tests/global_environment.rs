//! Tests what an operator chooses by environment variables. The test starts another process, to set
//! them for it.

use std::{
    env,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use otel_messaging_core::{CreationContext, Instrumentation, Instrumenter, ProcessParent, System};
use otel_messaging_testing::telemetry::Telemetry;
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer, layer::SubscriberExt as _};

const PARENT: &str = "OTEL_MESSAGING_PROCESS_PARENT";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn r27_and_r28_the_environment_chooses_where_code_does_not() {
    if env::var_os(PARENT).is_some() {
        return chosen_by_the_environment();
    }
    let child = Command::new(env::current_exe().unwrap())
        .env(PARENT, "Creation_Context")
        .env("OTEL_MESSAGING_TRUST", "everyone")
        .env("OTEL_MESSAGING_RECEIVE_SPANS", "")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
}

fn chosen_by_the_environment() {
    let heard = Heard::default();
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    let telemetry = Telemetry::new();
    let parents = tracing::subscriber::with_default(subscriber, || {
        let by_the_environment = parent(&telemetry, None);
        (by_the_environment, parent(&telemetry, Some(ProcessParent::Ambient)))
    });
    assert_eq!(parents, (true, false), "code wins over the environment");
    let warning = "OTEL_MESSAGING_TRUST: full, links, none";
    assert_eq!(heard.take(), [warning; 2], "one warning for each instrumentation");
}

/// Returns whether the parent of a process span is the creation context.
fn parent(telemetry: &Telemetry, choice: Option<ProcessParent>) -> bool {
    telemetry.clear();
    let builder = Instrumentation::builder().with_tracer_provider(telemetry.tracer_provider());
    let builder = match choice {
        Some(parent) => builder.with_process_parent(parent),
        None => builder,
    };
    let jobs = Instrumenter::builder(System::new("jobs", "jobs", "1")).build(&builder.build());
    let creation = CreationContext::from_map([("traceparent", TRACEPARENT)]);
    let expected = creation.span_context().span_id();
    jobs.restore("nightly", creation, "job").process_sync(|| ());
    telemetry.spans()[0].parent_span_id == expected
}

/// Keeps the warnings of unknown values: the variable, and the values it may have.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lock())
    }
}

#[derive(Default)]
struct Warning {
    variable: String,
    known: String,
}

impl Visit for Warning {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "variable" => value.clone_into(&mut self.variable),
            "known" => value.clone_into(&mut self.known),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
        if event.metadata().name() == "Messaging.UnknownValue" {
            let mut warning = Warning::default();
            event.record(&mut warning);
            let Warning { variable, known } = warning;
            self.lock().push(format!("{variable}: {known}"));
        }
    }
}
