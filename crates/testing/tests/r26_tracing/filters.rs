//! Where no layer records process spans: they are OpenTelemetry's own.

use std::{convert::Infallible, sync::Arc};

use futures::FutureExt as _;
use opentelemetry::trace::SpanKind;
use otel_messaging_core::semconv;
use otel_messaging_testing::telemetry::Telemetry;
use tracing::{Dispatch, Instrument as _, Level, dispatcher, info, info_span};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    reload,
};

use crate::stage::{Stage, assert_tree, events, is_of_layer, the};

/// Processes an order, and asserts that its span is not of the layer and all else is as ever.
async fn assert_not_of_layer(stage: &Stage, has_spans_of_tracing: bool) {
    let order = stage.order().await;
    let handler = async {
        info!("nowhere");
        tokio::task::yield_now().await;
        stage.send("bills").await;
        stage.send("mails").instrument(info_span!("mail")).await;
    };
    order.process(handler).await;
    if has_spans_of_tracing {
        assert_tree(stage, &["process orders", "  mail", "    publish mails", "  publish bills"]);
    } else {
        assert_tree(stage, &["process orders", "  publish bills", "  publish mails"]);
    }
    assert!(!is_of_layer(stage, "process orders"));
    let process = the(stage, "process orders");
    assert_eq!(process.span_kind, SpanKind::Consumer);
    assert_eq!(process.links.len(), 1);
    assert!(events(stage, "process orders").is_empty());
    assert_eq!(process.scope().schema_url(), Some(semconv::SCHEMA_URL));
    stage.telemetry.clear();
}

async fn assert_of_layer(stage: &Stage) {
    let order = stage.order().await;
    order.process(async { info!("here") }).await;
    assert!(is_of_layer(stage, "process orders"));
    assert_eq!(events(stage, "process orders"), ["here"]);
    stage.telemetry.clear();
}

#[tokio::test]
async fn filtered_for_all() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let filtered = tracing_subscriber::registry().with(LevelFilter::WARN).with(stage.layer());
        let _default = dispatcher::set_default(&Dispatch::new(filtered));
        assert_not_of_layer(&stage, false).await;
    }
}

#[tokio::test]
async fn filtered_for_the_layer() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let layer = stage.layer().with_filter(LevelFilter::WARN);
        // Another layer wants them.
        let other = fmt::layer().with_writer(std::io::sink);
        let filtered = tracing_subscriber::registry().with(layer).with(other);
        let _default = dispatcher::set_default(&Dispatch::new(filtered));
        assert_not_of_layer(&stage, false).await;
    }
}

#[tokio::test]
async fn filtered_by_target() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let targets = || Targets::new().with_default(Level::INFO);
        let without = targets().with_target("otel_messaging", LevelFilter::OFF);
        let layer = stage.layer().with_filter(without.clone());
        let filtered = Dispatch::new(tracing_subscriber::registry().with(layer));
        let default = dispatcher::set_default(&filtered);
        assert_not_of_layer(&stage, true).await;
        drop(default);
        let filtered = tracing_subscriber::registry().with(without).with(stage.layer());
        let _default = dispatcher::set_default(&Dispatch::new(filtered));
        assert_not_of_layer(&stage, true).await;
    }
}

#[tokio::test]
async fn filtered_by_a_function() {
    let stage = Stage::new(true);
    let layer = stage.layer().with_filter(filter_fn(|metadata| metadata.name() != "process"));
    let _default =
        dispatcher::set_default(&Dispatch::new(tracing_subscriber::registry().with(layer)));
    for _ in 0..3 {
        assert_not_of_layer(&stage, true).await;
    }
}

#[tokio::test]
async fn a_filter_that_is_reloaded() {
    for activation in [true, false] {
        let stage = Stage::new(activation);
        let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
        let layer = stage.layer().with_filter(filter);
        let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
        let _default = dispatcher::set_default(&subscriber);
        assert_of_layer(&stage).await;
        handle.reload(LevelFilter::WARN).unwrap();
        assert_not_of_layer(&stage, false).await;
        handle.reload(LevelFilter::INFO).unwrap();
        assert_of_layer(&stage).await;
        // In the middle of a handler: its span goes on.
        let order = stage.order().await;
        let handler = async {
            handle.reload(LevelFilter::OFF).unwrap();
            tokio::task::yield_now().await;
            stage.send("bills").await;
        };
        order.process(handler).await;
        assert_tree(&stage, &["process orders", "  publish bills"]);
        assert!(is_of_layer(&stage, "process orders"));
    }
}

#[tokio::test]
async fn no_subscriber() {
    let stage = Stage::new(true);
    assert_not_of_layer(&stage, false).await;
    let order = stage.order().await;
    let handled = order.process_sync(|| Ok::<_, Infallible>(()));
    assert_eq!(handled, Ok(()));
    assert!(!is_of_layer(&stage, "process orders"));
}

#[tokio::test]
async fn no_layer() {
    let stage = Stage::new(true);
    let fmt = fmt::layer().with_writer(std::io::sink);
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(fmt));
    let _default = dispatcher::set_default(&subscriber);
    assert_not_of_layer(&stage, false).await;
}

/// The layer of an application that has set no tracer: its spans have no ids.
#[tokio::test]
async fn a_layer_without_a_tracer() {
    let stage = Stage::new(true);
    let layer = tracing_opentelemetry::layer();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let _default = dispatcher::set_default(&subscriber);
    assert_not_of_layer(&stage, false).await;
}

#[tokio::test]
async fn switched_off() {
    for activation in [true, false] {
        let configure = |builder: otel_messaging_core::InstrumentationBuilder| {
            builder.with_subscriber_spans(false)
        };
        let stage = Stage::with(activation, Telemetry::new(), configure);
        let _default = stage.subscribe();
        let order = stage.order().await;
        order.process(stage.send("bills")).await;
        assert_tree(&stage, &["process orders", "  publish bills"]);
        assert!(!is_of_layer(&stage, "process orders"));
        stage.telemetry.clear();
        // As without the feature: what is ambient is the current context.
        stage.send("bills").instrument(info_span!("charge")).await;
        if activation {
            assert_tree(&stage, &["charge", "  publish bills"]);
        } else {
            assert_tree(&stage, &["charge", "publish bills"]);
        }
    }
}

#[tokio::test]
async fn target_and_level_are_chosen() {
    let configure = |builder: otel_messaging_core::InstrumentationBuilder| {
        builder.with_subscriber_target("shop::orders").with_subscriber_level(Level::DEBUG)
    };
    let stage = Stage::with(true, Telemetry::new(), configure);
    let layer = |level| {
        let targets = Targets::new().with_target("shop", level).with_default(Level::INFO);
        let layer = stage.layer().with_level(true).with_filter(targets);
        Dispatch::new(tracing_subscriber::registry().with(layer))
    };
    let default = dispatcher::set_default(&layer(Level::INFO));
    assert_not_of_layer(&stage, true).await;
    drop(default);
    let _default = dispatcher::set_default(&layer(Level::DEBUG));
    let order = stage.order().await;
    order.process(async {}).await;
    let process = the(&stage, "process orders");
    let has = |key: &str, value: &str| {
        process.attributes.iter().any(|it| it.key.as_str() == key && *it.value.as_str() == *value)
    };
    assert!(has("target", "shop::orders") && has("level", "DEBUG"), "{:?}", process.attributes);
}

/// The subscriber of the thread where a handler starts has its span, wherever it goes on.
#[tokio::test]
async fn two_subscribers_by_thread() {
    for activation in [true, false] {
        let (one, other) = (Stage::new(activation), Stage::new(activation));
        let stage = Arc::new(Stage::new(activation));
        let (here, there) = (one.dispatch(), other.dispatch());
        let order = {
            let _here = dispatcher::set_default(&here);
            stage.order().await
        };
        let sent = Arc::clone(&stage);
        let handler = async move {
            info!("here");
            tokio::task::yield_now().await;
            info!("there");
            sent.send("bills").await;
            sent.send("mails").instrument(info_span!("mail")).await;
        };
        let mut process = async move { order.process(handler).await }.boxed();
        dispatcher::with_default(&here, || assert_eq!((&mut process).now_or_never(), None));
        let goes_on = move || {
            dispatcher::with_default(&there, || {
                info_span!("other").in_scope(|| assert_eq!(process.now_or_never(), Some(())));
            });
        };
        std::thread::spawn(goes_on).join().unwrap();
        assert_eq!(events(&one, "process orders"), ["here"]);
        let process = the(&one, "process orders").span_context.clone();
        let parent_of = |stage: &Stage, name| the(stage, name).parent_span_id;
        assert_eq!(parent_of(&stage, "publish bills"), process.span_id());
        let mail = the(&other, "mail");
        assert_eq!(parent_of(&stage, "publish mails"), mail.span_context.span_id());
    }
}
