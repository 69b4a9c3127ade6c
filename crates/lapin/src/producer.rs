//! Publishing: one message, or a batch.

mod confirm;

use lapin::{
    BasicProperties, Confirmation, Result, options::BasicPublishOptions, types::ShortString,
};
use otel_messaging_core::{ActiveOperation, CreationContext, client::Call};

pub use self::confirm::PublisherConfirm;
use crate::{Channel, error_type, hand_over::HandOver, outgoing::Publish, semconv};

impl Channel {
    /// Publishes a message as [`lapin::Channel::basic_publish`] does, in a send span. The span's
    /// context is written into the headers; a context that they hold already is replaced, and the
    /// span links to it.
    ///
    /// The span ends with the confirm. If the channel has no confirms, it ends when the client has
    /// written the message.
    ///
    /// Cancel safety: once polled, the client sends the message even if this is dropped; then the
    /// span ends as handed over. Errors are the client's own; the span is marked as failed.
    pub fn basic_publish(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        options: BasicPublishOptions,
        payload: &[u8],
        properties: BasicProperties,
    ) -> impl Future<Output = Result<PublisherConfirm>> {
        let publish = Publish { exchange, routing_key, options, payload, properties };
        let instrumenter = self.instrumenter();
        if !instrumenter.is_enabled() {
            let (call, end) = self.publishing(publish, None);
            return Call::without_operation(call, end);
        }
        Call::new(move || {
            let mut outgoing = self.outgoing(publish);
            let operation = instrumenter.send(semconv::PUBLISH, &mut outgoing);
            self.publishing(outgoing.publish, Some(operation))
        })
    }

    /// Publishes a message that was created in `creation`, as [`basic_publish`](Self::basic_publish)
    /// does: the message carries that context instead of the send span's own, and the send span
    /// links to it.
    ///
    /// Cancel safety and errors: as for [`basic_publish`](Self::basic_publish).
    pub fn basic_publish_with_context(
        &self,
        publish: Publish<'_>,
        creation: &CreationContext,
    ) -> impl Future<Output = Result<PublisherConfirm>> {
        Call::new(move || {
            let mut outgoing = self.outgoing(publish);
            let instrumenter = self.instrumenter();
            let operation =
                instrumenter.send_with_context(semconv::PUBLISH, &mut outgoing, creation);
            self.publishing(outgoing.publish, Some(operation))
        })
    }

    /// Publishes messages as one batch and awaits their confirms: a create span for each message,
    /// and one send span that links to all of them and ends with the last confirm.
    ///
    /// The results are in the order of the messages: the confirm, or the client's error.
    ///
    /// Cancel safety: the messages that the client has taken are sent. The others are not; the span
    /// says that they are `cancelled`.
    pub async fn basic_publish_batch<'a>(
        &self,
        messages: impl IntoIterator<Item = Publish<'a>>,
    ) -> Vec<Result<Confirmation>> {
        let mut messages: Vec<_> =
            messages.into_iter().map(|message| self.outgoing(message)).collect();
        let operations = self.instrumenter().send_batch(semconv::PUBLISH, &mut messages);
        let mut confirms = Vec::with_capacity(messages.len());
        for (message, operation) in messages.into_iter().zip(operations) {
            let publish = message.publish;
            confirms.push(Call::new(|| self.publishing(publish, Some(operation))).await);
        }
        let mut results = Vec::with_capacity(confirms.len());
        for confirm in confirms {
            results.push(match confirm {
                Ok(confirm) => confirm.await,
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Hands one message to the client, alone or as one of a batch.
    ///
    /// Inlined, so that the client's future is not moved out of the tuple.
    #[inline]
    fn publishing(
        &self,
        publish: Publish<'_>,
        operation: Option<ActiveOperation>,
    ) -> (impl Future<Output = Published>, impl FnOnce(Published) -> Result<PublisherConfirm>) {
        let Publish { exchange, routing_key, options, payload, properties } = publish;
        let channel = self.get_ref();
        let is_running = operation.as_ref().is_some_and(ActiveOperation::is_running);
        let is_confirmed = is_running && channel.status().confirm();
        let call = channel.basic_publish(exchange, routing_key, options, payload, properties);
        (HandOver::new(call, operation), move |published| end(is_confirmed, published))
    }
}

/// What the client made of a publish, which may be an operation.
type Published = (Option<ActiveOperation>, Result<lapin::PublisherConfirm>);

/// Ends a publish, unless its confirm does.
fn end(is_confirmed: bool, (mut operation, result): Published) -> Result<PublisherConfirm> {
    match result {
        Ok(confirm) => {
            if !is_confirmed && let Some(operation) = operation.take() {
                operation.end();
            }
            Ok(PublisherConfirm::new(confirm, operation))
        }
        Err(error) => {
            // It counts as sent if the client had taken it before.
            if let Some(operation) = operation {
                operation.reject(error_type::of(&error));
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests;
