//! The course of a run: open, do business, close.

use crate::{
    cluster::Cluster, failure::Failure, intake::Intake, options::Options, order::Order,
    pipeline::Pipeline, report::Report, telemetry::Service,
};
use tokio::signal;

/// Opens, does business until there are no more orders, and leaves nothing behind.
pub(crate) async fn trade(
    options: &Options,
    intake: &mut Intake,
    services: &[Service; 3],
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let first = intake.round().await?;
    if first.is_empty() {
        return Ok(());
    }
    let cluster = match &options.brokers {
        Some(brokers) => Cluster::real(brokers).await?,
        None => Cluster::embedded()?,
    };
    report.opening(&cluster);
    let result = match Pipeline::start(&cluster, services) {
        Ok(pipeline) => run(pipeline, first, intake, report).await,
        Err(failure) => Err(failure),
    };
    cluster.remove().await;
    result
}

/// Until the last order has been booked, something fails, or somebody loses patience.
async fn run(
    mut pipeline: Pipeline,
    first: Vec<Order>,
    intake: &mut Intake,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let result = tokio::select! {
        result = rounds(first, intake, &mut pipeline, report) => result,
        _ = signal::ctrl_c() => Err(Failure::new("interrupted: what is shown is incomplete")),
    };
    if result.is_err() {
        report.round(pipeline.counts()); // What there is, to see what is missing.
    }
    pipeline.stop().await;
    result
}

/// Round after round goes through the pipeline. Each is complete, and accounted for, before the next
/// begins: memory need not hold more than one.
async fn rounds(
    first: Vec<Order>,
    intake: &mut Intake,
    pipeline: &mut Pipeline,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let mut orders = first;
    while !orders.is_empty() {
        pipeline.round(orders).await?;
        report.round(pipeline.counts());
        orders = intake.round().await?;
    }
    Ok(())
}
