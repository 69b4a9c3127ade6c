//! A broker that is killed and started again.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use opentelemetry::trace::Status;
use otel_messaging_integration_tests::OwnBroker;
use otel_messaging_rdkafka::{Message, error::RDKafkaErrorCode, semconv as kafka};

use crate::{
    links::{Sends, assert_linked_to, named, text},
    shop::{Shop, labels, names},
    support::{self, Clients},
};

/// Longer than the broker takes to come back.
const LONG: Duration = Duration::from_secs(180);

/// Sends that wait for the broker end when it is back; those that may not wait so long end with
/// the client's error. Each is counted once, and the consumer gets each that was delivered once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    let broker = tokio::task::spawn_blocking(|| OwnBroker::start("kafka", "killed")).await.unwrap();
    let shop = Shop::of(Clients::of(broker.endpoint()), 1, &[]).await;
    let mut config = shop.clients.config();
    config.set("enable.idempotence", "true").set("reconnect.backoff.max.ms", "1000");
    let patient = shop.clients.producer_with(config.set("message.timeout.ms", "180000"));
    let hasty = shop.clients.producer_with(config.set("message.timeout.ms", "2000"));
    let mut config = shop.consumer_config();
    let consumer =
        shop.clients.consumer_with(config.set("reconnect.backoff.max.ms", "1000"), &shop.orders);
    let receive = async {
        let mut received = Vec::new();
        let mut failures: HashMap<String, u64> = HashMap::new();
        while received.len() < 150 {
            match consumer.recv().await {
                Ok(order) => received.push((order.partition(), order.offset())),
                // The client reports that the broker is away, and goes on.
                Err(error) => {
                    let code = error.rdkafka_error_code().expect("Kafka's errors have codes");
                    *failures.entry(format!("{code:?}")).or_default() += 1;
                }
            }
        }
        (received, failures)
    };
    let sell = async {
        shop.sell(&patient, 0, &names("before", 100)).await;
        broker.kill();
        let (while_away, too_late) = (names("away", 50), names("late", 10));
        let waiting = while_away.iter().map(|name| patient.send(shop.order(0, name), LONG));
        let failing = async {
            let sends = too_late.iter().map(|name| hasty.send(shop.order(0, name), LONG));
            for sent in join_all(sends).await {
                let (error, _) = sent.expect_err("the broker is away");
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageTimedOut));
            }
            tokio::task::block_in_place(|| broker.restart());
        };
        let (sent, ()) = tokio::join!(join_all(waiting), failing);
        for sent in sent {
            sent.expect("it is delivered when the broker is back");
        }
    };
    let both = async { tokio::join!(receive, sell).0 };
    let (received, failures) = tokio::time::timeout(LONG, both).await.expect("all comes to an end");

    let telemetry = &shop.clients.telemetry;
    let refused: u64 = failures.values().sum();
    let spans = telemetry.wait_for(160 + 150 + usize::try_from(refused).unwrap());
    let (failed, delivered): (Vec<_>, Vec<_>) = spans
        .iter()
        .filter(|span| span.name.starts_with("send "))
        .cloned()
        .partition(|span| span.status != Status::Unset);
    assert_eq!((delivered.len(), failed.len()), (150, 10), "each send ended once");
    for span in &failed {
        assert_eq!(text(span, "error.type"), "MessageTimedOut");
    }
    let sends = Sends::among(&delivered);
    let expected: Vec<_> = (0..150).map(|offset| (0, offset)).collect();
    assert_eq!(received, expected, "each message was delivered once");
    let polls = named(&spans, &format!("poll {}", shop.orders));
    let polls: Vec<_> = polls.into_iter().filter(|span| span.status == Status::Unset).collect();
    assert_eq!(polls.len(), 150);
    for (poll, place) in polls.into_iter().zip(received) {
        assert_linked_to(poll, sends.of(place));
    }
    let refused = failures.iter().map(|(error, count)| {
        // A failed receive has no topic.
        (*count, support::failed(error, shop.clients.labels(kafka::POLL, None)))
    });
    let sends = [
        (150, labels(&shop, kafka::SEND)),
        (10, support::failed("MessageTimedOut", labels(&shop, kafka::SEND))),
    ];
    let polled = (150, labels(&shop, kafka::POLL));
    // Nothing was counted twice.
    telemetry.assert_metrics([
        support::sent(sends.clone()),
        support::consumed([polled.clone()]),
        support::durations(sends.into_iter().chain([polled]).chain(refused)),
    ]);
}
