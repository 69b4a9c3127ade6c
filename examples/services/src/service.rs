//! A service as a process of its own: it sets up, works, and stops in order.

use crate::{
    Result, billing, day::Day, mailer, nightly, say, shop, stock, stop, telemetry::Telemetry,
};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Runtime;

/// Clients give up on a message earlier: where nothing has moved for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(60);
/// A Kafka consumer that closes waits until its broker has answered, which may be never.
const CLOSING: Duration = Duration::from_secs(5);

/// One of the services, in the order in which an order meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Shop,
    Stock,
    Billing,
    Mailer,
    Nightly,
}

impl Service {
    pub(crate) const ALL: [Self; 5] =
        [Self::Shop, Self::Stock, Self::Billing, Self::Mailer, Self::Nightly];

    /// Its `service.name`, too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Stock => "stock",
            Self::Billing => "billing",
            Self::Mailer => "mailer",
            Self::Nightly => "nightly",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    async fn work(self, day: Arc<Day>) -> Result {
        match self {
            Self::Shop => shop::run(&day).await,
            Self::Stock => stock::run(&day).await,
            Self::Billing => billing::run(&day).await,
            Self::Mailer => mailer::run(&day).await,
            Self::Nightly => nightly::run(&day).await,
        }
    }
}

/// Runs a service until it has handled the orders of the day, or is asked to stop. Fails if it did
/// not get there, or if its telemetry did not arrive.
pub(crate) fn run(service: Service, orders: u64) -> Result {
    let day = Arc::new(Day::from_env(orders)?);
    let telemetry = Telemetry::set_up(service.name())?;
    let runtime = Runtime::new()?;
    let worked = runtime.block_on(work(service, &day));
    runtime.shutdown_timeout(CLOSING);
    match (worked, telemetry.shut_down()) {
        (Err(failure), Err(lost)) => Err(format!("{failure}; and {lost}").into()),
        (worked, exported) => worked.and(exported),
    }
}

async fn work(service: Service, day: &Arc<Day>) -> Result {
    let mut work = tokio::spawn(service.work(Arc::clone(day)));
    let result = tokio::select! {
        ended = &mut work => ended.unwrap_or_else(|panicked| Err(panicked.into())),
        () = stop::asked() => {
            say("stops, as it was asked to");
            Ok(())
        }
        () = day.progress.standstill(PATIENCE) => {
            Err(format!("nothing has moved for {} s; are all services running?", PATIENCE.as_secs()).into())
        }
    };
    work.abort();
    say(&day.progress.to_string());
    result
}
