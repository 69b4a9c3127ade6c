//! What the demo prints, and the exit status that follows from it.

use crate::{
    accounts::Accounts,
    cluster::Cluster,
    failure::Failure,
    intake::Intake,
    metrics::rows,
    progress::Counts,
    telemetry::{self, Otlp, Service},
};
use otel_messaging_examples::{
    metrics,
    traces::{self, Exported, Forest},
};
use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// Collects what there is to say, a round at a time.
pub(crate) struct Report<'a> {
    services: &'a [Service; 3],
    otlp: &'a Otlp,
    accounts: Accounts,
    delivered: u64,
    rounds: u64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(services: &'a [Service; 3], otlp: &'a Otlp) -> Self {
        Self { services, otlp, accounts: Accounts::default(), delivered: 0, rounds: 0 }
    }

    pub(crate) fn opening(&self, cluster: &Cluster) {
        let names = self.services.each_ref().map(|service| service.name).join(" → ");
        say(format_args!("Orders go through {names}, over {cluster}.\n"));
    }

    /// Accounts for the spans since the last round. The traces of the first are shown.
    pub(crate) fn round(&mut self, counts: Counts) {
        let spans: Vec<Exported> = self.services.iter().flat_map(Service::take_spans).collect();
        let forest = Forest::new(&spans);
        let delivered = counts.sent + counts.forwarded;
        self.accounts.add(&forest, delivered - self.delivered);
        self.delivered = delivered;
        self.rounds += 1;
        if spans.is_empty() {
            // The run failed between two rounds.
        } else if self.rounds == 1 {
            say(format_args!("{}", traces::draw(&forest)));
        } else {
            say(format_args!(
                "{} orders so far: counted, but their traces are not shown",
                counts.booked
            ));
        }
        self.otlp.flush(self.services);
    }

    /// The closing lines: metrics, what was no order, and the count.
    pub(crate) fn close(self, intake: &Intake, result: Result<(), Failure>) -> ExitCode {
        let mut status = ExitCode::SUCCESS;
        let mut fail = |failure: Failure| {
            eprintln!("orders: {failure}");
            status = ExitCode::from(failure.status);
        };
        telemetry::shut_down(self.services);
        let is_run = self.rounds > 0;
        if is_run {
            let metrics = self.services.iter().filter_map(|it| Some((it.name, it.metrics()?)));
            let rows = metrics.flat_map(|(service, metrics)| rows(service, &metrics));
            say(format_args!("\n{}", metrics::draw(rows)));
            match self.otlp.outcome(self.accounts.spans) {
                Some(Ok(exported)) => say(format_args!("{exported}")),
                Some(Err(failure)) => fail(failure),
                None => {}
            }
        }
        if intake.refusals.count() > 0 {
            say(format_args!("lines that were orders: {}; {}", intake.taken, intake.refusals));
        }
        if let Err(failure) = result {
            fail(failure);
        } else if !is_run {
            fail(Failure::no_orders());
        } else if !self.accounts.is_complete() {
            fail(Failure::new("messages are missing: the last line says how many"));
        }
        if is_run {
            say(format_args!("{}", self.accounts));
        }
        status
    }
}

/// Prints a line, also if nobody reads it any more (`| head`): the exit status still counts.
fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{text}");
}
