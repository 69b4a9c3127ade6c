//! The three services at work.

mod clients;

use self::clients::{consumer, producer};
use crate::{
    billing::Billing,
    cluster::Cluster,
    failure::Failure,
    ledger::Ledger,
    order::Order,
    progress::{Counts, Progress},
    shop::Shop,
    telemetry::Service,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    task::{self, JoinSet},
    time,
};

/// Kafka gives up on a message after ten seconds: where nothing has moved for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(30);
const CLOSING: Duration = Duration::from_secs(5);

/// Billing and ledger run in tasks of their own; the shop is called.
pub(crate) struct Pipeline {
    shop: Shop,
    billing: Arc<Billing>,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    services: JoinSet<Result<Infallible, Failure>>,
}

impl Pipeline {
    pub(crate) fn start(
        cluster: &Cluster,
        [shop, billing, ledger]: &[Service; 3],
    ) -> Result<Self, Failure> {
        let no_client = |error| Failure::new(format!("a Kafka client could not start: {error}"));
        let progress = Arc::new(Progress::new());
        let billing = Arc::new(Billing {
            consumer: consumer(cluster, billing, "orders").map_err(no_client)?,
            producer: producer(cluster, billing).map_err(no_client)?,
            invoices: cluster.topic("invoices"),
            progress: progress.clone(),
        });
        let ledger = Arc::new(Ledger {
            consumer: consumer(cluster, ledger, "invoices").map_err(no_client)?,
            progress: progress.clone(),
        });
        let shop = Shop {
            tracer: shop.tracer(),
            producer: producer(cluster, shop).map_err(no_client)?,
            orders: cluster.topic("orders"),
            progress: progress.clone(),
        };
        let mut services = JoinSet::new();
        services.spawn(billing.clone().run());
        services.spawn(ledger.clone().run());
        Ok(Self { shop, billing, ledger, progress, services })
    }

    /// Sends these orders and waits until the last of them has been booked.
    pub(crate) async fn round(&mut self, orders: Vec<Order>) -> Result<(), Failure> {
        let round = async {
            self.shop.serve(orders).await?;
            self.progress.all_done().await;
            Ok(())
        };
        tokio::select! {
            result = round => result,
            Some(ended) = self.services.join_next() => Err(match ended {
                Ok(Ok(never)) => match never {},
                Ok(Err(failure)) => failure,
                Err(panicked) => Failure::new(format!("a service broke down: {panicked}")),
            }),
            () = self.progress.standstill(PATIENCE) => Err(Failure::new(format!(
                "gave up, nothing has moved for {PATIENCE:?}: {}; is Kafka still there?",
                self.progress
            ))),
        }
    }

    /// Ends the services and closes their clients.
    pub(crate) async fn stop(mut self) {
        self.services.shutdown().await;
        // A consumer that closes blocks its thread until the broker has answered, which may be never.
        let clients = (self.shop, self.billing, self.ledger);
        let _ = time::timeout(CLOSING, task::spawn_blocking(|| drop(clients))).await;
    }

    /// What the services know themselves, whatever was traced of it.
    pub(crate) fn counts(&self) -> Counts {
        self.progress.counts()
    }
}
