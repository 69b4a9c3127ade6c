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
