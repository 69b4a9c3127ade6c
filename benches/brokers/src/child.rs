//! Runs one mode of a scenario in a process of its own, and prints what it measured.

use std::{process, thread, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Place, Result,
    by_hand::ByHand,
    fail, jetstream, kafka,
    measure::Measured,
    mode::{Mode, Side},
    nats, rabbitmq,
    run::Run,
    scenario::Scenario,
};

/// What tells a child from the driver: a job follows.
pub(crate) const ARGUMENT: &str = "child";
/// How long a process may take. A message that is lost would make it wait for ever.
const LIMIT: Duration = Duration::from_secs(600);
/// How many messages of a producer whose calls return an answer are in flight.
const IN_FLIGHT: usize = 1_000;

/// What a process runs, as JSON on its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) scenario: Scenario,
    pub(crate) mode: Mode,
    pub(crate) task: Task,
    pub(crate) place: Place,
    pub(crate) warm_up: usize,
    pub(crate) messages: usize,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Sends or receives at full speed.
    Throughput,
    /// The same, and counts allocations.
    Allocations,
    /// Sends and receives at full speed, with a limited backlog.
    Saturate,
    /// Sends and receives at this many messages a second.
    Latency(usize),
    /// Creates the destination, and fills it for consumers.
    Fill,
    /// Deletes the destination.
    Delete,
}

impl Job {
    /// Runs the job. Returns nothing where nothing is measured.
    pub(crate) fn run(&self) -> Result<Measured> {
        thread::spawn(|| {
            thread::sleep(LIMIT);
            fail(&format!("not done after {} s: is the broker still up?", LIMIT.as_secs()));
        });
        let runtime = runtime()?;
        let side = self.mode.side(self.scenario.system());
        let mut run = Run::new(self.warm_up, self.messages, self.task == Task::Allocations);
        match self.task {
            Task::Fill => {
                runtime.block_on(self.create())?;
                self.produce(&runtime, side, &mut run)?;
            }
            Task::Delete => runtime.block_on(self.delete())?,
            Task::Throughput | Task::Allocations if self.scenario.is_producer() => {
                runtime.block_on(self.create())?;
                self.produce(&runtime, side, &mut run)?;
                runtime.block_on(self.delete())?;
            }
            Task::Throughput | Task::Allocations => {
                // Core NATS keeps no messages.
                if self.scenario == Scenario::NatsProcess {
                    self.feed(&mut run, bare(self.mode), None);
                }
                self.consume(&runtime, side, &mut run)?;
            }
            Task::Saturate => self.pipeline(&runtime, side, &mut run, None)?,
            Task::Latency(rate) => {
                run = run.with_latencies();
                self.pipeline(&runtime, side, &mut run, Some(rate))?;
            }
        }
        Ok(run.finish())
    }

    /// Runs a producer and a consumer, one of which is measured, and the other bare.
    fn pipeline(
        &self,
        runtime: &Runtime,
        side: Side,
        run: &mut Run,
        rate: Option<usize>,
    ) -> Result {
        runtime.block_on(self.create())?;
        if self.scenario.is_producer() {
            self.feed(run, side, rate);
            self.consume(runtime, Side::Bare(Box::new(ByHand::Nothing)), run)?;
        } else {
            self.feed(run, bare(self.mode), rate);
            self.consume(runtime, side, run)?;
        }
        runtime.block_on(self.delete())
    }

    /// Lets a thread send what `run` receives.
    fn feed(&self, run: &mut Run, side: Side, rate: Option<usize>) {
        let (job, mut feeder) = (self.clone(), run.feeder(rate));
        run.fed_by(move || {
            let outcome = runtime().and_then(|runtime| job.produce(&runtime, side, &mut feeder));
            if let Err(error) = outcome {
                fail(&format!("sending failed: {error}"));
            }
        });
    }

    fn produce(&self, runtime: &Runtime, side: Side, run: &mut Run) -> Result {
        let place = &self.place;
        match self.scenario {
            Scenario::KafkaForget(limit) => kafka::forget(side, place, limit, run),
            Scenario::KafkaFuture => runtime.block_on(kafka::future(side, place, IN_FLIGHT, run)),
            Scenario::KafkaProcess | Scenario::KafkaBatch => {
                kafka::forget(side, place, 50_000, run)
            }
            Scenario::NatsPublish | Scenario::NatsProcess => {
                runtime.block_on(nats::publish(side, place, run))
            }
            Scenario::JetstreamPublish | Scenario::JetstreamFetch => {
                runtime.block_on(jetstream::publish(side, place, IN_FLIGHT, run))
            }
            Scenario::RabbitmqPublish | Scenario::RabbitmqConsume => {
                runtime.block_on(rabbitmq::publish(side, place, IN_FLIGHT, run))
            }
        }
    }

    fn consume(&self, runtime: &Runtime, side: Side, run: &mut Run) -> Result {
        let place = &self.place;
        runtime.block_on(async {
            match self.scenario {
                Scenario::KafkaForget(_) | Scenario::KafkaFuture | Scenario::KafkaProcess => {
                    kafka::process(side, place, run).await
                }
                Scenario::KafkaBatch => kafka::batch(side, place, run).await,
                Scenario::NatsPublish | Scenario::NatsProcess => {
                    nats::process(side, place, run).await
                }
                Scenario::JetstreamPublish | Scenario::JetstreamFetch => {
                    jetstream::fetch(side, place, run).await
                }
                Scenario::RabbitmqPublish | Scenario::RabbitmqConsume => {
                    rabbitmq::consume(side, place, run).await
                }
            }
        })
    }

    async fn create(&self) -> Result {
        match self.scenario.system() {
            "kafka" => kafka::create(&self.place).await,
            "rabbitmq" => rabbitmq::create(&self.place).await,
            _ if self.scenario.has_stream() => jetstream::create(&self.place).await,
            _ => Ok(()),
        }
    }

    async fn delete(&self) -> Result {
        match self.scenario.system() {
            "kafka" => kafka::delete(&self.place).await,
            "rabbitmq" => rabbitmq::delete(&self.place).await,
            _ if self.scenario.has_stream() => jetstream::delete(&self.place).await,
            _ => Ok(()),
        }
    }
}

/// Returns what the bare producer beside a consumer sends: the header, unless the consumer is bare.
fn bare(mode: Mode) -> Side {
    Side::Bare(Box::new(if mode == Mode::Bare { ByHand::Nothing } else { ByHand::Header }))
}

/// One thread, so that the application's part of a mode is in one place.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Prints the measurement as a line of JSON and ends the process, without waiting for threads.
pub(crate) fn main(job: &str) -> ! {
    let outcome = serde_json::from_str::<Job>(job).map_err(Into::into).and_then(|job| job.run());
    match outcome.and_then(|measured| Ok(serde_json::to_string(&measured)?)) {
        Ok(line) => {
            println!("{line}");
            process::exit(0)
        }
        Err(error) => fail(&error.to_string()),
    }
}
