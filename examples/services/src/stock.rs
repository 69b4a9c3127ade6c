//! The stock: says whether there are enough apples, as a NATS service.

use crate::{Result, day::Day};
use async_nats::service::ServiceExt;
use futures::StreamExt;
use otel_messaging::async_nats; // The line that changes.

/// What a customer may have.
const APPLES: u32 = 9;

/// Answers one request for each order of the day.
pub(crate) async fn run(day: &Day) -> Result {
    let client = async_nats::connect(&day.nats).await?;
    let name = day.name("stock");
    let service = client.service_builder().queue_group("stock").start(&name, "1.0.0").await?;
    let mut requests = service.endpoint(&name).await?;
    for _ in 0..day.orders {
        let request = requests.next().await.ok_or("NATS has ended the service")?;
        request.process(answer(&request)).await?;
        day.progress.one_more();
    }
    client.flush().await?;
    Ok(())
}

/// The handler. What it publishes is a child of the span that processes the request.
async fn answer(request: &async_nats::service::Request) -> Result {
    let apples: u32 = str::from_utf8(&request.message.payload)?.parse()?;
    let answer = if apples <= APPLES { "there are" } else { "there are not" };
    request.respond(Ok(answer.into())).await?;
    Ok(())
}
