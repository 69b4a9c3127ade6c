//! The shop: takes requests and sends an order for each.

use crate::{failure::Failure, order::Order, progress::Progress};
use futures::stream::{self, StreamExt, TryStreamExt};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use otel_messaging_rdkafka as rdkafka; // The line that changes.
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::{sync::Arc, time::Duration};

/// Requests that are served at the same time.
const CUSTOMERS: usize = 256;

pub(crate) struct Shop {
    pub(crate) tracer: SdkTracer,
    pub(crate) producer: FutureProducer,
    pub(crate) orders: String,
    pub(crate) progress: Arc<Progress>,
}

impl Shop {
    /// Serves one request for each order. Ends when Kafka has all of them, or with the first that
    /// could not be sent.
    pub(crate) async fn serve(&self, orders: Vec<Order>) -> Result<(), Failure> {
        stream::iter(orders)
            .map(Ok)
            .try_for_each_concurrent(CUSTOMERS, |order| self.request(order))
            .await
    }

    /// What the web framework's instrumentation would do around a handler.
    async fn request(&self, order: Order) -> Result<(), Failure> {
        self.progress.room_for(order.line.len()).await?;
        let span = self
            .tracer
            .span_builder("POST /orders")
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", "/orders"),
                KeyValue::new("url.scheme", "http"),
                KeyValue::new("url.path", "/orders"),
                KeyValue::new("server.address", "localhost"),
                KeyValue::new("server.port", 8080),
                KeyValue::new("network.protocol.version", "1.1"),
            ])
            .start(&self.tracer);
        let request = Context::new().with_span(span);

        let response = self.order(&order).with_context(request.clone()).await;

        let status = if response.is_ok() { 202 } else { 503 };
        let span = request.span();
        span.set_attribute(KeyValue::new("http.response.status_code", status));
        if let Err(failure) = &response {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(failure.to_string()));
        }
        span.end();
        response
    }

    /// The handler: there is no telemetry in it.
    async fn order(&self, order: &Order) -> Result<(), Failure> {
        let number = order.number.to_string();
        let record = FutureRecord::to(&self.orders).key(&number).payload(&order.line);
        match self.producer.send(record, Duration::from_secs(5)).await {
            Ok(_delivery) => {
                self.progress.count(|counts| counts.sent += 1);
                Ok(())
            }
            Err((error, _)) => Err(Failure::new(format!("order {number} was not sent: {error}"))),
        }
    }
}
