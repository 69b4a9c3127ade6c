//! Channels: where messages are published, asked for and settled.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use lapin::{
    BasicProperties, Configuration, Confirmation, Error, Queue, Result,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{DeliveryTag, FieldTable, MessageCount, ShortString},
};
use otel_messaging_core::{
    ActiveOperation, CreationContext, Endpoint, ErrorType, FailedMessages, Instrumentation,
    Operation,
};

use crate::{
    Consumer, PublisherConfirm, acker,
    connection::{Server, Shared},
    destination::{Name, Names},
    failure,
    message::{BasicGetMessage, Source},
    publish::{Outgoing, Publish},
    semconv,
    unsettled::Unsettled,
    wrapper::wrapper,
};

/// [`lapin::Channel`], instrumented; it dereferences to it for what has no telemetry. A cheap
/// handle.
///
/// Made by [`Connection::create_channel`](crate::Connection::create_channel), or of a channel that
/// is there already.
#[derive(Clone)]
pub struct Channel {
    bare: lapin::Channel,
    shared: Arc<Shared>,
    published: Arc<Names>,
    unsettled: Arc<Unsettled>,
}

wrapper!(Channel, lapin::Channel);

impl Channel {
    /// Wraps a channel of a connection that is not wrapped, such as one from a pool. It works as
    /// `instrumentation` says.
    ///
    /// `configuration` is the connection's ([`lapin::Connection::configuration`]), which knows how
    /// large a frame may be; `server` names the server, as a URI or as `host:port`.
    pub fn new(
        channel: lapin::Channel,
        configuration: &Configuration,
        server: &str,
        instrumentation: &Instrumentation,
    ) -> Self {
        let server = Server::from(&server);
        Self::of(channel, Arc::new(Shared::new(configuration, &server, instrumentation)))
    }

    pub(crate) fn of(channel: lapin::Channel, shared: Arc<Shared>) -> Self {
        Self { bare: channel, shared, published: Arc::default(), unsettled: Arc::default() }
    }

    /// [`lapin::Channel::basic_publish`] in a send span, whose context goes into the headers; a
    /// context that they hold already is linked and replaced (rules R6 and R8).
    ///
    /// The span ends with the confirm, or where the channel has none, when the client has the
    /// message. Cancel safety: once polled, the client has it, and sends it even if this is
    /// dropped; then the span ends as handed over.
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_publish(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        options: BasicPublishOptions,
        payload: &[u8],
        properties: BasicProperties,
    ) -> Result<PublisherConfirm> {
        let publish = Publish { exchange, routing_key, options, payload, properties };
        let mut outgoing = self.outgoing(publish);
        let operation = self.shared.endpoint.send(semconv::PUBLISH, &mut outgoing);
        self.hand_over(outgoing.publish, operation).await
    }

    /// [`basic_publish`](Self::basic_publish) of a message that was created in `creation`, which
    /// it carries away instead of the send span's context; the send span links to it (rule R9).
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_publish_created(
        &self,
        publish: Publish<'_>,
        creation: &CreationContext,
    ) -> Result<PublisherConfirm> {
        let mut outgoing = self.outgoing(publish);
        let endpoint = &self.shared.endpoint;
        let operation = endpoint.send_created(semconv::PUBLISH, &mut outgoing, creation);
        self.hand_over(outgoing.publish, operation).await
    }

    /// Publishes messages as one batch: a create span for each, and one send span that links to
    /// all of them and ends with the last confirm (rule R7).
    ///
    /// The results are in the order of the messages. Cancel safety: what the client has is sent;
    /// the rest is not, and the span says so.
    ///
    /// # Errors
    /// For each message as [`basic_publish`](Self::basic_publish) and its confirm.
    pub async fn basic_publish_batch<'a>(
        &self,
        messages: impl IntoIterator<Item = Publish<'a>>,
    ) -> Vec<Result<Confirmation>> {
        let mut messages: Vec<_> =
            messages.into_iter().map(|message| self.outgoing(message)).collect();
        let operation = self.shared.endpoint.send_batch(semconv::PUBLISH, &mut messages);
        let mut batch = Batch::new(operation, messages.len());
        let mut confirms = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            let result = self.publish(message.publish, || batch.taken = index + 1).await;
            if let Err(error) = &result {
                batch.refused(index, error);
            }
            confirms.push(result);
        }
        let mut results = Vec::with_capacity(confirms.len());
        for (index, confirm) in confirms.into_iter().enumerate() {
            results.push(match confirm {
                Ok(confirm) => {
                    let result = confirm.await;
                    batch.answered(index, &result);
                    result
                }
                Err(error) => Err(error),
            });
        }
        results
    }

    fn outgoing<'a>(&self, publish: Publish<'a>) -> Outgoing<'a> {
        let Shared { endpoint, configuration, queues } = &*self.shared;
        let name = if endpoint.is_enabled() {
            let (exchange, routing_key) = (&publish.exchange, &publish.routing_key);
            self.published.published(exchange.as_str(), routing_key.as_str(), queues)
        } else {
            Name::default()
        };
        Outgoing { publish, name, frame_max: configuration.frame_max() as usize }
    }

    async fn hand_over(
        &self,
        publish: Publish<'_>,
        mut operation: ActiveOperation,
    ) -> Result<PublisherConfirm> {
        let confirms = self.bare.status().confirm();
        match self.publish(publish, || operation.handed_over()).await {
            Ok(confirm) if confirms => Ok(PublisherConfirm::new(confirm, Some(operation))),
            Ok(confirm) => {
                operation.end();
                Ok(PublisherConfirm::new(confirm, None))
            }
            Err(error) => {
                // Not as failed: it counts as sent only where it was taken.
                operation.reject(failure::of(&error));
                Err(error)
            }
        }
    }

    /// Calls `taken` when the client has taken the message, maybe several times: it does so when
    /// it is polled first, unless that is an error.
    async fn publish(
        &self,
        publish: Publish<'_>,
        mut taken: impl FnMut(),
    ) -> Result<lapin::PublisherConfirm> {
        let Publish { exchange, routing_key, options, payload, properties } = publish;
        let channel = &self.bare;
        let publish = channel.basic_publish(exchange, routing_key, options, payload, properties);
        let mut publish = pin!(publish);
        poll_fn(|context| {
            let polled = publish.as_mut().poll(context);
            if !matches!(polled, Poll::Ready(Err(_))) {
                taken();
            }
            polled
        })
        .await
    }

    /// [`lapin::Channel::basic_consume`], whose deliveries are received and processed in spans.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn basic_consume(
        &self,
        queue: ShortString,
        consumer_tag: ShortString,
        options: BasicConsumeOptions,
        arguments: FieldTable,
    ) -> Result<Consumer> {
        let consumer = self.bare.basic_consume(queue, consumer_tag, options, arguments).await?;
        let mut source = self.source(consumer.queue(), options.no_ack);
        source.consumer_tag = Some(consumer.tag());
        Ok(Consumer::new(consumer, source))
    }

    /// [`lapin::Channel::basic_get`] in a receive span; an empty queue is no operation (rule R11).
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_get(
        &self,
        queue: ShortString,
        options: BasicGetOptions,
    ) -> Result<Option<BasicGetMessage>> {
        let endpoint = &self.shared.endpoint;
        let clock = endpoint.clock();
        let source = self.source(queue.clone(), options.no_ack);
        match self.bare.basic_get(queue, options).await {
            Ok(message) => Ok(message.map(|message| BasicGetMessage {
                delivery: Arc::new(source).receive(semconv::GET, clock, message.delivery),
                message_count: message.message_count,
            })),
            Err(error) => {
                endpoint.receive_failed(semconv::GET, clock, None, failure::of(&error));
                Err(error)
            }
        }
    }

    fn source(&self, queue: ShortString, no_ack: bool) -> Source {
        let temporary = self.shared.queues.are_temporary(queue.as_str());
        let endpoint = self.shared.endpoint.clone();
        let source = Source::new(queue, endpoint, Arc::clone(&self.unsettled));
        Source { temporary, no_ack, ..source }
    }

    /// [`lapin::Channel::basic_ack`] in a settle span, that of the message if the delivery came
    /// through this channel; of several, it says how many they are where that is known.
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_ack(&self, tag: DeliveryTag, options: BasicAckOptions) -> Result<()> {
        let call = self.bare.basic_ack(tag, options);
        self.settle(semconv::ACK, tag, options.multiple, call).await
    }

    /// [`lapin::Channel::basic_nack`] in a settle span; see [`basic_ack`](Self::basic_ack).
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_nack(&self, tag: DeliveryTag, options: BasicNackOptions) -> Result<()> {
        let call = self.bare.basic_nack(tag, options);
        self.settle(semconv::NACK, tag, options.multiple, call).await
    }

    /// [`lapin::Channel::basic_reject`] in a settle span; see [`basic_ack`](Self::basic_ack).
    ///
    /// # Errors
    /// Those of the client, each with a failed span.
    pub async fn basic_reject(&self, tag: DeliveryTag, options: BasicRejectOptions) -> Result<()> {
        let call = self.bare.basic_reject(tag, options);
        self.settle(semconv::REJECT, tag, false, call).await
    }

    async fn settle(
        &self,
        operation: Operation,
        tag: DeliveryTag,
        multiple: bool,
        call: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let (endpoint, unsettled) = (&self.shared.endpoint, &self.unsettled);
        acker::by_tag(endpoint, unsettled, operation, (tag, multiple), call).await
    }

    /// [`lapin::Channel::queue_declare`], which remembers whether the queue is temporary:
    /// exclusive, or deleted with its last consumer.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn queue_declare(
        &self,
        queue: ShortString,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<Queue> {
        let queue = self.bare.queue_declare(queue, options, arguments).await?;
        if options.exclusive || options.auto_delete {
            self.shared.queues.declared(queue.name());
        }
        Ok(queue)
    }

    /// [`lapin::Channel::queue_delete`], which forgets whether the queue was temporary.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn queue_delete(
        &self,
        queue: ShortString,
        options: QueueDeleteOptions,
    ) -> Result<MessageCount> {
        self.shared.queues.deleted(queue.as_str());
        self.bare.queue_delete(queue, options).await
    }

    /// What this channel's telemetry comes from, to restore work that was stored, or to wrap the
    /// deliveries of a delegate.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }
}

/// A batch that is being published; its operation ends when this is dropped.
struct Batch {
    operation: Option<ActiveOperation>,
    count: usize,
    /// How many the client has taken, or refused.
    taken: usize,
    refused: u64,
    failed: FailedMessages,
}

impl Batch {
    const fn new(operation: ActiveOperation, count: usize) -> Self {
        let failed = FailedMessages::new();
        Self { operation: Some(operation), count, taken: 0, refused: 0, failed }
    }

    fn refused(&mut self, index: usize, error: &Error) {
        if self.taken <= index {
            self.taken = index + 1;
            self.refused += 1;
        }
        self.failed.add(index, failure::of(error).error_type().clone());
    }

    fn answered(&mut self, index: usize, result: &Result<Confirmation>) {
        if let Some(failure) = failure::of_confirm(result) {
            self.failed.add(index, failure.error_type().clone());
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(mut operation) = self.operation.take() else { return };
        for index in self.taken..self.count {
            self.failed.add(index, ErrorType::CANCELLED);
        }
        operation.withdraw(self.refused + (self.count - self.taken) as u64);
        operation.end_with(&self.failed);
    }
}

impl PartialEq for Channel {
    fn eq(&self, other: &Self) -> bool {
        self.bare == other.bare
    }
}
