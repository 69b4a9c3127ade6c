//! Kills brokers and restarts them where they were.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use otel_messaging_integration_tests::OwnBroker;

use crate::load::Load;

/// Kills each broker in turn, in another order each round, until the time is over and at least one
/// round is complete.
pub(crate) struct Faults {
    pub(crate) brokers: [(Arc<OwnBroker>, Arc<Load>); 3],
    pub(crate) until: Instant,
    pub(crate) random: Rng,
    pub(crate) interrupted: Arc<AtomicBool>,
}

impl Faults {
    /// Blocks until then. Panics if a broker cannot be killed or restarted.
    pub(crate) fn run(mut self) {
        for round in 0.. {
            self.random.shuffle(&mut self.brokers);
            for index in 0..self.brokers.len() {
                if !self.pause(1_000, 5_000) || (round > 0 && Instant::now() >= self.until) {
                    return;
                }
                let (broker, load) = &self.brokers[index];
                let (broker, load) = (Arc::clone(broker), Arc::clone(load));
                load.ledger.turn();
                broker.kill();
                self.pause(0, 2_000);
                broker.restart();
                load.ledger.turn();
            }
        }
        // The clients find their brokers again before the last messages are sent.
        self.pause(3_000, 3_001);
    }

    /// Waits for some milliseconds. Returns false if the soak was interrupted.
    fn pause(&mut self, least: u64, most: u64) -> bool {
        let end = Instant::now() + Duration::from_millis(self.random.u64(least..most));
        while Instant::now() < end && !self.interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        !self.interrupted.load(Ordering::Relaxed)
    }
}
