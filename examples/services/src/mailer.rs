//! The mailer: mails every invoice to its customer.

use crate::{Result, day::Day, declare};
use futures::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use otel_messaging::lapin; // The line that changes.

/// Mails the invoices of the day.
pub(crate) async fn run(day: &Day) -> Result {
    let connection = Connection::connect(&day.rabbitmq, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let queue = declare::queue(day, &channel).await?;
    channel.basic_qos(16, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut invoices = channel.basic_consume(queue.into(), "mailer".into(), options, none).await?;
    for _ in 0..day.orders {
        let invoice = invoices.next().await.ok_or("RabbitMQ has ended the consumer")??;
        invoice.process(async { mail(&invoice) }).await?;
        invoice.ack(BasicAckOptions::default()).await?;
        day.progress.one_more();
    }
    connection.close(200, "the day is over".into()).await?;
    Ok(())
}

/// The handler. Where the mail would be sent, it is only written.
fn mail(invoice: &Delivery) -> Result<String> {
    let (customer, sum) = str::from_utf8(&invoice.data)?.split_once(": ").ok_or("no invoice")?;
    Ok(format!("To: {customer}@example.com\r\nSubject: Your order\r\n\r\n{sum}\r\n"))
}
