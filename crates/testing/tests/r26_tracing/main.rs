//! Handlers in an application that uses `tracing`: which span is whose child.
//!
//! Every scenario is a tree that is written out, with context activation on and off.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

mod filters;
mod layer;
mod logs;
mod stage;

use std::{convert::Infallible, future::pending};

use futures::FutureExt as _;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    context::FutureExt as _,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use otel_messaging_core::{
    Batch, CreationContext, ErrorType, FailedMessages, client::without_ambient, semconv,
};
use otel_messaging_testing::toy::{Message, Record};
use tracing::{Instrument as _, Span, dispatcher, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::stage::{Stage, assert_tree, events, is_of_layer, the};

macro_rules! scenarios {
    ($($(#[$doc:meta])* async fn $name:ident($stage:ident: &Stage) $body:block)+) => {
        $(
            $(#[$doc])*
            #[tokio::test]
            async fn $name() {
                for activation in [true, false] {
                    let stage = Stage::new(activation);
                    let _default = stage.subscribe();
                    let run = async |$stage: &Stage| $body;
                    run(&stage).await;
                }
            }
        )+
    };
}

scenarios! {
    async fn sends_and_events_of_a_handler_are_its_own(stage: &Stage) {
        let order = stage.order().await;
        let handler = async {
            info!("before");
            tokio::task::yield_now().await;
            stage.send("bills").await;
            info!("after");
        };
        order.process(handler).await;
        assert_tree(stage, &["process orders", "  publish bills"]);
        assert_eq!(events(stage, "process orders"), ["before", "after"]);
        assert!(is_of_layer(stage, "process orders"));
    }

    async fn every_form_of_process_is_a_span_of_tracing(stage: &Stage) {
        let order = stage.order().await;
        let handled = order.process_sync(|| {
            info!("handled");
            Ok::<_, Infallible>(())
        });
        assert_eq!(handled, Ok(()));
        assert_eq!(events(stage, "process orders"), ["handled"]);

        let order = stage.order().await;
        order.process_classified(async { info!("handled") }, |()| None).await;
        assert_eq!(events(stage, "process orders"), ["handled"]);

        let order = stage.order().await;
        let work = |_: Message| {
            info!("called");
            async { info!("handled") }
        };
        order.process_with(work).await;
        assert_eq!(events(stage, "process orders"), ["called", "handled"]);

        let order = stage.order().await;
        let operation = order.start_process();
        operation.in_scope(|| info!("handled"));
        operation.run(async { info!("run") }).await;
        assert_eq!(events(stage, "process orders"), ["handled", "run"]);
    }

    async fn a_span_inside_the_handler_is_a_child(stage: &Stage) {
        let order = stage.order().await;
        let handler = async {
            let work = async {
                tokio::task::yield_now().await;
                stage.send("bills").await;
            };
            work.instrument(info_span!("charge")).await;
            stage.send("mails").await;
        };
        order.process(handler).await;
        assert_tree(
            stage,
            &["process orders", "  charge", "    publish bills", "  publish mails"],
        );
    }

    async fn an_instrumented_function_is_a_child(stage: &Stage) {
        #[tracing::instrument(skip_all)]
        async fn bill(stage: &Stage) {
            stage.send("bills").await;
        }
        let order = stage.order().await;
        order.process(async { bill(stage).await }).await;
        assert_tree(stage, &["process orders", "  bill", "    publish bills"]);
    }

    /// The call of an instrumented function makes no span before its first poll.
    async fn an_instrumented_function_as_the_handler_is_a_child(stage: &Stage) {
        #[tracing::instrument(skip_all)]
        async fn bill(stage: &Stage) {
            stage.send("bills").await;
        }
        let order = stage.order().await;
        order.process(bill(stage)).await;
        assert_tree(stage, &["process orders", "  bill", "    publish bills"]);
    }

    /// A span that is made before is before: it cannot be a child.
    async fn a_span_that_is_made_before_is_apart(stage: &Stage) {
        let order = stage.order().await;
        order.process(stage.send("bills").instrument(info_span!("bill"))).await;
        assert_tree(stage, &["bill", "  publish bills", "process orders"]);
    }

    async fn a_span_around_process_is_the_parent(stage: &Stage) {
        let order = stage.order().await;
        order.process(stage.send("bills")).instrument(info_span!("worker")).await;
        assert_tree(stage, &["worker", "  process orders", "    publish bills"]);
    }

    async fn an_entered_span_around_a_function_is_the_parent(stage: &Stage) {
        let order = stage.order().await;
        info_span!("worker").in_scope(|| {
            order.process_sync(|| info_span!("charge").in_scope(|| {
                stage.send("bills").now_or_never().unwrap();
            }));
        });
        assert_tree(
            stage,
            &["worker", "  process orders", "    charge", "      publish bills"],
        );
    }

    async fn a_loop_in_a_span_receives_processes_and_settles_in_it(stage: &Stage) {
        stage.send("orders").await;
        stage.telemetry.clear();
        let work = async {
            let order = stage.consumer.receive().await.unwrap();
            order.process(stage.send("bills")).await;
            stage.consumer.ack(&order).unwrap();
        };
        work.instrument(info_span!("worker")).await;
        assert_tree(
            stage,
            &["worker", "  ack orders", "  fetch orders", "  process orders", "    publish bills"],
        );
    }

    async fn settling_inside_the_handler_is_a_child(stage: &Stage) {
        let order = stage.order().await;
        let handler = async { stage.consumer.ack(&order).unwrap() };
        order.process(handler).await;
        assert_tree(stage, &["process orders", "  ack orders"]);
        // After it, without anything around, too.
        stage.telemetry.clear();
        let order = stage.order().await;
        order.process(async {}).await;
        stage.consumer.ack(&order).unwrap();
        assert_tree(stage, &["process orders", "  ack orders"]);
    }

    async fn a_spawned_task_with_the_current_span_is_inside(stage: &Stage) {
        let order = stage.order().await;
        let producer = stage.producer.clone();
        let send = async move {
            info!("in the task");
            producer.send(Record::new("bills", "")).await.unwrap();
        };
        order.process(async { tokio::spawn(send.in_current_span()).await.unwrap() }).await;
        assert_tree(stage, &["process orders", "  publish bills"]);
        assert_eq!(events(stage, "process orders"), ["in the task"]);
    }

    async fn a_spawned_task_with_a_span_is_below(stage: &Stage) {
        let order = stage.order().await;
        let producer = stage.producer.clone();
        let send = async move { drop(producer.send(Record::new("bills", "")).await.unwrap()) };
        let handler = async { tokio::spawn(send.instrument(info_span!("task"))).await.unwrap() };
        order.process(handler).await;
        assert_tree(stage, &["process orders", "  task", "    publish bills"]);
    }

    async fn a_spawned_task_with_nothing_is_apart(stage: &Stage) {
        let order = stage.order().await;
        let producer = stage.producer.clone();
        let send = async move { drop(producer.send(Record::new("bills", "")).await.unwrap()) };
        order.process(async { tokio::spawn(send).await.unwrap() }).await;
        assert_tree(stage, &["process orders", "publish bills"]);
    }

    /// Its span ended with the handler, and is still the parent.
    async fn a_spawned_task_that_lasts_longer_keeps_the_parent(stage: &Stage) {
        let order = stage.order().await;
        let producer = stage.producer.clone();
        let (go, wait) = tokio::sync::oneshot::channel();
        let send = async move {
            wait.await.unwrap();
            producer.send(Record::new("bills", "")).await.unwrap();
        };
        let task = order.process_sync(|| Ok::<_, Infallible>(tokio::spawn(send.in_current_span())));
        let Ok(task) = task;
        assert_tree(stage, &["process orders"]);
        go.send(()).unwrap();
        task.await.unwrap();
        assert_tree(stage, &["process orders", "  publish bills"]);
    }

    async fn blocking_work_in_the_current_span_is_inside(stage: &Stage) {
        let order = stage.order().await;
        let producer = stage.producer.clone();
        let handler = async {
            let (span, dispatch) = (Span::current(), dispatcher::get_default(Clone::clone));
            let work = move || {
                let send = || producer.send(Record::new("bills", "")).now_or_never().unwrap();
                dispatcher::with_default(&dispatch, || span.in_scope(send)).unwrap();
            };
            tokio::task::spawn_blocking(work).await.unwrap();
        };
        order.process(handler).await;
        assert_tree(stage, &["process orders", "  publish bills"]);
    }

    async fn what_loses_a_select_is_cancelled(stage: &Stage) {
        let order = stage.order().await;
        let handler = async {
            stage.send("bills").await;
            pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = order.process(handler) => unreachable!(),
            () = stage.send("ticks") => {}
        }
        assert_tree(stage, &["process orders", "  publish bills", "publish ticks"]);
        let process = the(stage, "process orders");
        assert_eq!(process.status, Status::error(""));
        let cancelled = KeyValue::new(semconv::ERROR_TYPE, "cancelled");
        assert!(process.attributes.contains(&cancelled));
        assert!(!Span::current().context().span().span_context().is_valid());
    }

    async fn handlers_that_take_turns_keep_apart(stage: &Stage) {
        let (one, other) = (stage.order().await, stage.order().await);
        let handler = |topic: &'static str, name: &'static str| async move {
            tokio::task::yield_now().await;
            info!("{topic}");
            let work = async {
                tokio::task::yield_now().await;
                stage.send(topic).await;
            };
            work.instrument(info_span!("work", otel.name = name)).await;
        };
        tokio::join!(one.process(handler("bills", "one")), other.process(handler("mails", "other")));
        assert_tree(
            stage,
            &[
                "process orders", "  one", "    publish bills",
                "process orders", "  other", "    publish mails",
            ],
        );
        for span in stage.telemetry.spans().iter().filter(|span| span.name == "process orders") {
            assert_eq!(span.events.len(), 1);
        }
    }

    async fn what_is_joined_in_a_handler_is_inside(stage: &Stage) {
        let order = stage.order().await;
        let handler = async {
            let bill = async {
                tokio::task::yield_now().await;
                stage.send("bills").await;
            };
            tokio::join!(
                bill.instrument(info_span!("bill")),
                stage.send("mails").instrument(info_span!("mail")),
                stage.send("ticks"),
            );
        };
        order.process(handler).await;
        assert_tree(
            stage,
            &[
                "process orders", "  bill", "    publish bills",
                "  mail", "    publish mails", "  publish ticks",
            ],
        );
    }

    async fn a_process_inside_a_process_is_its_child(stage: &Stage) {
        let (outer, inner) = (stage.order().await, stage.order().await);
        let handler = async {
            inner.process(stage.send("bills")).instrument(info_span!("between")).await;
            stage.send("mails").await;
        };
        outer.process(handler).await;
        assert_tree(
            stage,
            &[
                "process orders", "  between", "    process orders", "      publish bills",
                "  publish mails",
            ],
        );
    }

    async fn a_batch_is_one_span_with_its_items_inside(stage: &Stage) {
        let batch: Batch<_> = [stage.order().await, stage.order().await].into_iter().collect();
        let handler = async {
            info!("a batch");
            for order in &*batch {
                order.process(async { info!("an item") }).await;
            }
            stage.send("bills").instrument(info_span!("charge")).await;
            let mut failed = FailedMessages::new();
            failed.add(1, ErrorType::new("declined"));
            failed
        };
        assert_eq!(batch.process(handler).await.len(), 1);
        assert_tree(
            stage,
            &[
                "process orders", "  charge", "    publish bills",
                "  process orders", "  process orders",
            ],
        );
        let spans = stage.telemetry.spans();
        let batch = spans.iter().find(|span| span.links.len() == 2).unwrap();
        let names: Vec<_> = batch.events.iter().map(|event| &*event.name).collect();
        assert_eq!(names, ["a batch", "exception"]);
        assert_eq!(batch.status, Status::error("1 messages failed"));
        assert_eq!(batch.span_kind, SpanKind::Consumer);
    }

    /// A context that is made later is inside the span, and one that is made in a span inside of
    /// that is the innermost.
    async fn a_context_inside_the_handler_is_the_innermost(stage: &Stage) {
        let order = stage.order().await;
        let tracer = stage.telemetry.tracer();
        let handler = async {
            let context = Context::current_with_span(tracer.start("by hand"));
            async {
                stage.send("bills").await;
                tokio::task::yield_now().await;
                stage.consumer.ack(&order).unwrap();
            }
            .with_context(context.clone())
            .await;
            context.span().end();
            stage.send("mails").await;
        };
        order.process(handler).await;
        assert_tree(
            stage,
            &[
                "process orders", "  by hand", "    ack orders", "    publish bills",
                "  publish mails",
            ],
        );
    }

    async fn without_a_handler_the_innermost_is_the_parent(stage: &Stage) {
        let tracer = stage.telemetry.tracer();
        // A span inside a context is the context's child, and the parent of the send.
        let context = Context::current_with_span(tracer.start("request"));
        async { stage.send("bills").instrument(info_span!("charge")).await }
            .with_context(context.clone())
            .await;
        context.span().end();
        assert_tree(stage, &["request", "  charge", "    publish bills"]);
        stage.telemetry.clear();
        // A context that is made inside a span is the innermost. Without activation, it must have a
        // trace of its own for that; with it, the current context is a child of the span.
        let work = async {
            let job = tracer.start_with_context("job", &Context::current());
            let context = Context::current().with_span(job);
            stage.send("bills").with_context(context.clone()).await;
            context.span().end();
        };
        work.instrument(info_span!("worker")).await;
        if stage.activation {
            assert_tree(stage, &["worker", "  job", "    publish bills"]);
        } else {
            assert_tree(stage, &["job", "  publish bills", "worker"]);
        }
    }

    async fn a_callback_of_a_client_has_nothing_ambient(stage: &Stage) {
        let order = stage.order().await;
        let callback = || {
            without_ambient(|| {
                order.process_sync(|| {
                    info!("handled");
                    stage.send("bills").now_or_never().unwrap();
                });
                info_span!("delegate").in_scope(|| stage.send("mails").now_or_never().unwrap());
            });
        };
        info_span!("unrelated").in_scope(callback);
        if stage.activation {
            assert_tree(
                stage,
                &["delegate", "  publish mails", "process orders", "  publish bills", "unrelated"],
            );
        } else {
            // Without activation, the layer takes the span around as the parent.
            assert_tree(
                stage,
                &["process orders", "  publish bills", "unrelated", "  delegate", "    publish mails"],
            );
        }
        assert_eq!(events(stage, "process orders"), ["handled"]);
    }

    async fn baggage_of_the_message_is_ambient_in_every_span(stage: &Stage) {
        let north = Context::new().with_baggage([KeyValue::new("tenant", "north")]);
        stage.send("orders").with_context(north).await;
        let order = stage.consumer.receive().await.unwrap();
        let tenant = || {
            let context = CreationContext::current();
            context.baggage().and_then(|baggage| baggage.get("tenant").map(ToString::to_string))
        };
        let handler = async {
            assert_eq!(tenant().as_deref(), Some("north"));
            info_span!("inner").in_scope(|| assert_eq!(tenant().as_deref(), Some("north")));
            let inner = async move { tenant() }.instrument(info_span!("task"));
            assert_eq!(tokio::spawn(inner).await.unwrap().as_deref(), Some("north"));
            // What is set later, in the handler or in a span inside it, replaces it.
            let south = || Context::current_with_baggage([KeyValue::new("tenant", "south")]);
            let _inside = info_span!("inside").entered();
            let _south = south().attach();
            assert_eq!(tenant().as_deref(), Some("south"));
        };
        order.process(handler).await;
    }

    async fn a_creation_context_is_captured_from_the_innermost(_stage: &Stage) {
        let span = info_span!("checkout");
        let captured = span.in_scope(CreationContext::current);
        assert_eq!(captured.span_context(), span.context().span().span_context());
        assert!(captured.is_valid());
    }
}
