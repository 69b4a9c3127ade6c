//! Deliveries that the client pushes.

use std::{pin::Pin, sync::Arc};

use lapin::{ConsumerDelegate, message::DeliveryResult};
use otel_messaging_core::client::without_ambient;

use crate::{message::Delivered, origin::Origin};

/// A delegate whose calls process what it is given.
pub(super) struct Processing<D> {
    delegate: D,
    origin: Arc<Origin>,
}

impl<D> Processing<D> {
    pub(super) const fn new(delegate: D, origin: Arc<Origin>) -> Self {
        Self { delegate, origin }
    }
}

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<D: ConsumerDelegate> ConsumerDelegate for Processing<D> {
    fn on_new_delivery(&self, delivery: DeliveryResult) -> Done {
        let delivery = match delivery {
            Ok(Some(delivery)) => delivery,
            other => return self.delegate.on_new_delivery(other),
        };
        // The call that sets the delegate brings what was prefetched, and is not its parent.
        without_ambient(|| {
            let received = Delivered::extract(&self.origin, delivery);
            let operation = received.start_process();
            let delivery = Ok(Some(received.into_inner().into_bare()));
            let done = operation.in_scope(|| self.delegate.on_new_delivery(delivery));
            Box::pin(operation.run(done))
        })
    }

    fn drop_prefetched_messages(&self) -> Done {
        self.delegate.drop_prefetched_messages()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::executor::block_on;
    use lapin::message::Delivery;
    use opentelemetry::{
        Context,
        trace::{SpanId, TraceContextExt, Tracer},
    };
    use otel_messaging_core::Instrumentation;
    use otel_messaging_testing::telemetry::Telemetry;

    use super::*;
    use crate::server;

    fn current() -> SpanId {
        Context::map_current(|context| context.span().span_context().span_id())
    }

    #[test]
    fn a_delegate_is_called_and_awaited_in_a_process_span_of_its_own() {
        let telemetry = Telemetry::new();
        let instrumentation = Instrumentation::builder()
            .with_tracer_provider(telemetry.tracer_provider())
            .with_meter_provider(telemetry.meter_provider())
            .build();
        let origin = Origin::new(server::instrumenter(None, &instrumentation), "q".into());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let there = Arc::clone(&seen);
        let delegate = move |delivery: DeliveryResult| {
            let there = Arc::clone(&there);
            there.lock().unwrap().push(current());
            async move {
                assert_eq!(delivery.unwrap().unwrap().delivery_tag, 7);
                there.lock().unwrap().push(current());
            }
        };
        let processing = Processing::new(delegate, Arc::new(origin));
        let delivery = Delivery::mock(7, "".into(), "q".into(), false, Vec::new());
        telemetry.tracer().in_span("setting", |_| {
            block_on(processing.on_new_delivery(Ok(Some(delivery))));
        });
        let spans = telemetry.spans();
        let process = spans.iter().find(|span| span.name == "process q").unwrap();
        assert_eq!(process.parent_span_id, SpanId::INVALID);
        assert_eq!(*seen.lock().unwrap(), [process.span_context.span_id(); 2]);
    }
}
