//! Code that was written for the client compiles with the wrappers, with the feature `otel` and
//! without.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "panicking is how tests tell")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt};
use otel_messaging_rdkafka as rdkafka;
use rdkafka::{
    ClientConfig, ClientContext, Instrumented, KafkaClient, Message, Offset, TopicPartitionList,
    bare,
    client::DefaultClientContext,
    config::{FromClientConfig, FromClientConfigAndContext},
    consumer::{
        BaseConsumer, CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, MessageStream,
        StreamConsumer,
        base_consumer::Iter,
        stream_consumer::{Batches, StreamPartitionQueue},
    },
    error::KafkaResult,
    message::{BorrowedMessage, DeliveryResult, OwnedMessage},
    mocking::MockCluster,
    otel::{Batch, Instrumentation},
    producer::{
        BaseProducer, BaseRecord, DefaultProducerContext, DeliveryFuture, FutureProducer,
        FutureRecord, InstrumentedContext, NoCustomPartitioner, Partitioner, Producer,
        ProducerContext, ThreadedProducer, future_producer::FutureProducerContext,
    },
    util::{DefaultRuntime, Timeout},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The application's context, for producers and consumers.
#[derive(Default)]
struct Own {
    delivered: AtomicUsize,
}

impl ClientContext for Own {}

impl ProducerContext for Own {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Box<usize>) {
        assert!(result.is_ok());
        self.delivered.fetch_add(*opaque, Ordering::Relaxed);
    }
}

impl ConsumerContext for Own {}

fn cluster() -> (MockCluster<'static, DefaultProducerContext>, ClientConfig) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 2, 1).unwrap();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "api")
        .set("group.protocol", "consumer")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "10");
    (cluster, config)
}

/// Code that knows the client's traits only.
fn flushed<C: ProducerContext<Part>, Part: Partitioner>(producer: &impl Producer<C, Part>) {
    producer.flush(PATIENCE).unwrap();
}

fn flush_default(producer: &impl Producer) {
    producer.flush(Timeout::After(PATIENCE)).unwrap();
}

fn position(consumer: &impl Consumer) -> usize {
    consumer.position().unwrap().count()
}

fn subscribe<C: ConsumerContext>(consumer: &impl Consumer<C>) {
    consumer.subscribe(&["orders"]).unwrap();
}

fn topic_of<M: Message>(message: &M) -> String {
    message.topic().to_owned()
}

fn payload_of(message: &impl Message) -> &[u8] {
    message.payload().unwrap_or_default()
}

/// What the client implements for its types, ours implement too.
#[allow(dead_code, reason = "that it compiles is the test")]
fn our_types_implement_what_the_clients_do() {
    fn base_producer<P>()
    where
        P: FromClientConfig + FromClientConfigAndContext<DefaultProducerContext>,
        P: Producer<InstrumentedContext<DefaultProducerContext>> + KafkaClientWrapper,
    {
    }
    fn cloned<P: Clone + Send + Sync>() {}
    fn future_producer<P>()
    where
        P: FromClientConfig + FromClientConfigAndContext<DefaultClientContext> + Clone,
        P: Producer<FutureProducerContext<DefaultClientContext>> + KafkaClientWrapper,
    {
    }
    fn consumer<P>()
    where
        P: FromClientConfig + FromClientConfigAndContext<DefaultConsumerContext>,
        P: Consumer + KafkaClientWrapper,
    {
    }
    fn iterable(consumer: &BaseConsumer) -> Iter<'_, DefaultConsumerContext> {
        consumer.into_iter()
    }
    fn iterator<I: Iterator>() {}
    fn stream<S: Stream + Send + Unpin>() {}
    fn future<F: Future + Send + Unpin>() {}
    fn message<M: Message + std::fmt::Debug + Send + Sync>() {}

    base_producer::<BaseProducer>();
    base_producer::<ThreadedProducer<DefaultProducerContext>>();
    cloned::<ThreadedProducer<Own>>();
    cloned::<FutureProducer<Own>>();
    future_producer::<FutureProducer>();
    future_producer::<FutureProducer<DefaultClientContext, DefaultRuntime, NoCustomPartitioner>>();
    consumer::<BaseConsumer>();
    consumer::<StreamConsumer>();
    let _ = iterable;
    iterator::<Iter<'_, Own>>();
    stream::<MessageStream<'_, Own>>();
    stream::<Batches<'_, Own, DefaultRuntime>>();
    future::<DeliveryFuture>();
    message::<BorrowedMessage<'_>>();
    message::<OwnedMessage>();
    cloned::<OwnedMessage>();
}

/// What every wrapper has.
trait KafkaClientWrapper: From<Self::Bare> + std::fmt::Debug {
    type Bare: KafkaClient;
}

impl<K: KafkaClient> KafkaClientWrapper for Instrumented<K> {
    type Bare = K;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_made_as_before() {
    let (_cluster, config) = cluster();
    let base: BaseProducer = config.create().unwrap();
    let threaded: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let future: FutureProducer = config.create().unwrap();
    let base_consumer: BaseConsumer = config.create().unwrap();
    let stream_consumer: StreamConsumer = config.create().unwrap();
    flushed(&base);
    flushed(&threaded);
    flushed::<FutureProducerContext<_>, NoCustomPartitioner>(&future);
    assert_eq!(position(&base_consumer), position(&stream_consumer));
    drop(config.create::<FutureProducer>().unwrap());

    let base: BaseProducer<Own> = config.create_with_context(Own::default()).unwrap();
    let threaded: ThreadedProducer<_> = config.create_with_context(Own::default()).unwrap();
    let future: FutureProducer<_> = config.create_with_context(Own::default()).unwrap();
    // They join no group: a client that is dropped while it joins may wait for ever in librdkafka.
    let mut alone = config.clone();
    alone.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0");
    let base_consumer: BaseConsumer<_> = alone.create_with_context(Own::default()).unwrap();
    let stream_consumer: StreamConsumer<_> = alone.create_with_context(Own::default()).unwrap();
    drop(config.create_with_context::<_, StreamConsumer<_>>(Own::default()).unwrap());
    let record = || BaseRecord::<str, str, _>::with_opaque_to("orders", Box::new(1));
    base.send(record()).map_err(|(error, _)| error).unwrap();
    threaded.clone().send(record()).map_err(|(error, _)| error).unwrap();
    base.flush(PATIENCE).unwrap();
    threaded.flush(PATIENCE).unwrap();
    assert_eq!(base.context().delivered.load(Ordering::Relaxed), 1, "it dereferences to `Own`");
    assert_eq!(threaded.client().context().delivered.load(Ordering::Relaxed), 1);
    future.clone().flush(PATIENCE).unwrap();
    subscribe(&base_consumer);
    subscribe(&stream_consumer);
    let _: &Own = stream_consumer.context();
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_clients_are_wrapped_and_given_back() {
    let (_cluster, config) = cluster();
    let off = Instrumentation::disabled();

    let bare: bare::producer::FutureProducer = config.create().unwrap();
    let producer = FutureProducer::wrap(bare.clone(), &off);
    drop(FutureProducer::from(bare));
    producer.get_ref().poll(Duration::ZERO);
    drop(Arc::unwrap_or_clone(producer.into_inner()));

    let bare: bare::consumer::StreamConsumer = config.create().unwrap();
    let consumer: StreamConsumer = bare.into();
    assert_eq!(Arc::strong_count(&consumer.into_inner()), 1);

    let bare: bare::consumer::BaseConsumer = config.create().unwrap();
    let mut consumer = BaseConsumer::wrap(bare, &off);
    consumer.set_nonempty_callback(|| ());
    assert!(!consumer.closed());
    consumer.close_queue().unwrap();
    flush_default(&config.create::<bare::producer::BaseProducer>().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_is_written_as_before() -> KafkaResult<()> {
    let (_cluster, config) = cluster();
    let producer: FutureProducer = config.create()?;
    let records = ["a", "b", "c"].map(|payload| {
        FutureRecord::<str, str>::to("orders").partition(0).key("7").payload(payload)
    });
    let [first, second, third] = records;
    let delivery = producer.send(first, PATIENCE).await.map_err(|(error, _)| error)?;
    assert_eq!(delivery.offset, 0);
    let report = producer.send_result(second).map_err(|(error, _)| error)?;
    assert_eq!(report.await.expect("there is a report").unwrap().offset, 1);
    assert_eq!(producer.send_batch([third], PATIENCE).await.remove(0).unwrap().offset, 2);

    let consumer: Arc<StreamConsumer> = Arc::new(config.create()?);
    consumer.subscribe(&["orders"])?;
    let message = consumer.recv().await?;
    assert_eq!((topic_of(&message), payload_of(&message)), ("orders".to_owned(), &b"a"[..]));
    assert_eq!(message.process(async { Ok::<_, ()>(message.offset()) }).await, Ok(0));
    consumer.commit_message(&message, CommitMode::Sync)?;
    Consumer::commit_message(&*consumer, message.get_ref(), CommitMode::Async)?;
    let owned = message.detach();
    assert_eq!((topic_of(&owned), payload_of(&owned)), ("orders".to_owned(), &b"a"[..]));
    let streamed = consumer.stream().next().await.expect("it never ends")?;
    assert_eq!(payload_of(&streamed), b"b");
    let batch = consumer.batches(1, PATIENCE).next().await.expect("it never ends")?;
    let payloads = |batch: &Batch<BorrowedMessage<'_>>| {
        batch.iter().map(|one| payload_of(one).to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(batch.process_sync(|| Ok::<_, ()>(payloads(&batch))), Ok(vec![b"c".to_vec()]));

    let consumer: Arc<StreamConsumer> = Arc::new(config.create()?);
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("orders", 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let queue: StreamPartitionQueue<_> =
        consumer.split_partition_queue("orders", 0).expect("it is assigned");
    let serve = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.recv().await.map(|message| message.detach()) }
    });
    assert_eq!(queue.recv().await?.offset(), 0);
    serve.abort();
    Ok(())
}

/// Handlers may live anywhere, and messages may come from anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_made_of_the_clients_own() -> KafkaResult<()> {
    let (_cluster, config) = cluster();
    let producer: FutureProducer = config.create()?;
    let record = FutureRecord::<str, str>::to("orders").payload("a");
    producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&["orders"])?;
    let bare: bare::message::BorrowedMessage<'_> = consumer.get_ref().recv().await?;
    let detached: bare::message::OwnedMessage = bare.detach();
    let owned = OwnedMessage::from_bare(detached.clone(), consumer.instrumenter());
    let borrowed = BorrowedMessage::from_bare(bare, consumer.instrumenter());
    let handled = tokio::spawn(async move {
        owned.process_with(|owned| async move { Ok::<_, ()>(owned.into_inner().offset()) }).await
    });
    assert_eq!(handled.await.expect("no panic"), Ok(0));
    assert_eq!(borrowed.process_sync(|| Ok::<_, ()>(borrowed.offset())), Ok(0));
    assert_eq!(BorrowedMessage::from(borrowed.into_inner()).offset(), 0);
    assert_eq!(OwnedMessage::from(detached).set_offset(7).offset(), 7);
    Ok(())
}
