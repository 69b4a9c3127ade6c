//! Deliveries that are pushed.

use std::{pin::Pin, sync::Arc};

use lapin::{ConsumerDelegate, message::DeliveryResult};
use opentelemetry::Context;

use crate::message::Source;

/// A delegate whose calls are the processing of what it is given.
pub(super) struct Processing<D> {
    delegate: D,
    source: Arc<Source>,
}

impl<D> Processing<D> {
    pub(super) const fn new(delegate: D, source: Arc<Source>) -> Self {
        Self { delegate, source }
    }
}

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<D: ConsumerDelegate> ConsumerDelegate for Processing<D> {
    fn on_new_delivery(&self, delivery: DeliveryResult) -> Done {
        let delivery = match delivery {
            Ok(Some(delivery)) => delivery,
            other => return self.delegate.on_new_delivery(other),
        };
        // What was prefetched comes in the call that sets the delegate, which is not its parent.
        let _nothing_ambient = Context::new().attach();
        let received = self.source.hold(delivery);
        let operation = received.start_process();
        let delivery = received.into_inner().delivery;
        let done = operation.within(|| self.delegate.on_new_delivery(Ok(Some(delivery))));
        Box::pin(operation.run(done))
    }

    fn drop_prefetched_messages(&self) -> Done {
        self.delegate.drop_prefetched_messages()
    }
}
