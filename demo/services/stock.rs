//! The stock: says whether there are enough apples, as a NATS service.

use std::sync::Arc;

use async_nats::service::ServiceExt;
use futures::StreamExt;
use otel_messaging::async_nats; // was: the async-nats crate itself
use otel_messaging_demo::{Result, service::Run, telemetry};

use crate::brokers::Brokers;

/// How many apples a customer may have.
const APPLES: u32 = 9;

/// Answers a request for each order of the day.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let client = async_nats::bare::connect(&Brokers::from_env()?.nats).await?;
    let client = async_nats::Client::wrap(client, &telemetry::instrumentation());
    let name = run.name("stock");
    let service = client.service_builder().queue_group("stock").start(&name, "1.0.0").await?;
    let mut requests = service.endpoint(&name).await?;
    for _ in 0..run.orders {
        let request = requests.next().await.ok_or("NATS has ended the service")?;
        request.process(answer(&request)).await?;
        run.add(1);
    }
    client.flush().await?;
    Ok(())
}

/// Handles a request. The span that publishes the answer is a child of the process span.
async fn answer(request: &async_nats::service::Request) -> Result {
    let apples: u32 = str::from_utf8(&request.message.payload)?.parse()?;
    let answer = if apples <= APPLES { "there are" } else { "there are not" };
    request.respond(Ok(answer.into())).await?;
    Ok(())
}
