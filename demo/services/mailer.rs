//! The mailer: mails every invoice to its customer.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use otel_messaging::lapin; // was: the lapin crate itself
use otel_messaging_demo::{Result, service::Run};

use crate::brokers::{self, Brokers};

/// Mails the invoices of the day.
pub(crate) async fn run(run: Arc<Run>) -> Result {
    let connection = Brokers::from_env()?.rabbitmq().await?;
    let channel = connection.create_channel().await?;
    let queue = brokers::queue(&run, &channel).await?;
    channel.basic_qos(16, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut invoices = channel.basic_consume(queue.into(), "mailer".into(), options, none).await?;
    for _ in 0..run.orders {
        let invoice = invoices.next().await.ok_or("RabbitMQ has ended the consumer")??;
        invoice.process(async { mail(&invoice) }).await?;
        invoice.ack(BasicAckOptions::default()).await?;
        run.add(1);
    }
    connection.close(200, "the day is over".into()).await?;
    Ok(())
}

/// Handles an invoice: writes the mail, which is sent nowhere.
fn mail(invoice: &Delivery) -> Result<String> {
    let (customer, sum) = str::from_utf8(&invoice.data)?.split_once(": ").ok_or("no invoice")?;
    Ok(format!("To: {customer}@example.com\r\nSubject: Your order\r\n\r\n{sum}\r\n"))
}
