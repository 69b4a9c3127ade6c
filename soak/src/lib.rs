//! Mixed load on brokers that are killed and restarted, and the account of all messages, spans and
//! metrics.
//!
//! - `kafka`, `rabbitmq` and `nats` are the load: they send, receive, process and settle, drop
//!   futures at random moments, and write down in a `ledger` what happened.
//! - `faults` kills the brokers and restarts them.
//! - `telemetry` counts spans and metrics without keeping any; `figures` looks at the process.
//! - `report` has the equations between all of these.
//!
//! Where an equation says that nothing is lost, it does not compare with the bare client: it counts
//! what the broker has confirmed, and these brokers keep that through a kill. What they do not
//! confirm may be lost by any client, and is not counted.

#![allow(clippy::missing_panics_doc, clippy::expect_used, reason = "a soak that cannot run panics")]

mod faults;
mod figures;
mod kafka;
mod ledger;
mod load;
mod nats;
mod note;
mod rabbitmq;
mod report;
mod telemetry;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use otel_messaging_integration_tests::OwnBroker;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

pub use self::report::Report;
use self::{faults::Faults, figures::Figures, load::Load};

/// The brokers, in the order of the loads.
const BROKERS: [&str; 3] = ["kafka", "rabbitmq", "nats"];
/// How long after the last message everything that was confirmed may take to arrive, provided that
/// something arrives.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long clients may take to end their spans, threads and connections.
const CLOSING: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long to send. Each broker is killed once in any case.
    pub duration: Duration,
    /// Chooses what is sent and dropped, and when.
    pub seed: u64,
    /// The name of the brokers' instance: two soaks at a time need two.
    pub instance: &'static str,
}

/// Runs until the duration is over or the process is interrupted; stops the brokers in any case.
pub fn run(options: &Options) -> Report {
    println!("soak: seed {}", options.seed);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(soak(options))
}

async fn soak(options: &Options) -> Report {
    // Handled from here on, so that brokers are stopped. Its files stay open.
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let _ = futures::poll!(interrupt.as_mut());
    let brokers = block_in_place(|| {
        BROKERS.map(|broker| Arc::new(OwnBroker::start(broker, options.instance)))
    });
    let mut random = Rng::with_seed(options.seed);
    let loads = [0, 1, 2]
        .map(|index| Arc::new(Load::new(BROKERS[index], brokers[index].endpoint(), random.fork())));
    rabbitmq::warm_up(&loads[1]).await;
    let before = Figures::now();
    let running: [JoinHandle<()>; 3] = [
        tokio::spawn(kafka::run(Arc::clone(&loads[0]))),
        tokio::spawn(rabbitmq::run(Arc::clone(&loads[1]))),
        tokio::spawn(nats::run(Arc::clone(&loads[2]))),
    ];
    for load in &loads {
        tokio::time::timeout(PATIENCE, load.is_ready.notified()).await.expect("the broker answers");
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    let faults = Faults {
        brokers: [0, 1, 2].map(|index| (Arc::clone(&brokers[index]), Arc::clone(&loads[index]))),
        until: Instant::now() + options.duration,
        random: random.fork(),
        interrupted: Arc::clone(&interrupted),
    };
    let faults = spawn_blocking(|| faults.run());
    let samples = tokio::select! {
        samples = watch(&loads, || faults.is_finished()) => samples,
        _ = interrupt => {
            println!("soak: interrupted; the load ends");
            interrupted.store(true, Ordering::Relaxed);
            watch(&loads, || faults.is_finished()).await
        }
    };
    let mut report = Report::new(options.seed);
    report.check("faults: every broker could be killed and restarted", faults.await.is_ok());

    for load in &loads {
        load.stop_sending();
    }
    drain(&loads).await;
    for load in &loads {
        load.stop_receiving();
    }
    for (load, task) in loads.iter().zip(running) {
        let ended = matches!(tokio::time::timeout(PATIENCE, task).await, Ok(Ok(())));
        report.check(format!("{}: the load ended by itself", load.broker), ended);
    }
    let is_closed = || {
        loads.iter().all(|load| load.telemetry.running() == 0)
            && before.zip(Figures::now()).is_none_or(|(before, now)| now.is_like(before))
    };
    let start = Instant::now();
    while !is_closed() && start.elapsed() < CLOSING {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for load in &loads {
        report.account(load);
    }
    report.figures(before, &samples, Figures::now());
    report
}

/// Looks at the process every second and prints progress, until `is_over`. Keeps the figures of
/// when all brokers run: clients without their broker have other threads and buffers.
async fn watch(loads: &[Arc<Load>; 3], is_over: impl Fn() -> bool) -> Vec<Figures> {
    const PROGRESS: u64 = 10;
    let mut samples = Vec::new();
    let start = Instant::now();
    for second in 0.. {
        if is_over() {
            break;
        }
        let figures = Figures::now();
        if loads.iter().all(|load| load.ledger.is_calm()) {
            samples.extend(figures);
        }
        if second % PROGRESS == 0 {
            let progress: Vec<String> = loads.iter().map(|load| load.progress()).collect();
            let figures = figures.map(|figures| figures.to_string()).unwrap_or_default();
            println!("soak: {} s; {}; {figures}", start.elapsed().as_secs(), progress.join("; "));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    samples
}

/// Waits until everything that was confirmed has arrived, or nothing arrives any more.
async fn drain(loads: &[Arc<Load>; 3]) {
    let delivered = || loads.iter().map(|load| load.ledger.totals().delivered).sum::<u64>();
    let (mut last, mut since) = (delivered(), Instant::now());
    while !loads.iter().all(|load| load.ledger.is_complete()) && since.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if delivered() != last {
            (last, since) = (delivered(), Instant::now());
        }
    }
}
