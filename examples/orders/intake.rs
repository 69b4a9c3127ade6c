//! Where orders come in: made up, or read from a file by a thread of its own, a round at a time.
//! Rounds keep the demo's memory bounded, whatever the size of the file.

mod lines;
mod refusals;

use self::{lines::Lines, refusals::Refusals};
use crate::{
    failure::Failure,
    options::Source,
    order::{LARGEST, Order},
};
use std::{fs::File, io::BufReader, path::Path, thread, time::Duration};
use tokio::{sync::mpsc, time};

/// Ten batches of the ledger.
const ROUND: usize = 3_000;
const ROUND_BYTES: usize = 32 << 20;
/// A file may be a pipe that nobody writes to, or one that never ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Yields the orders and remembers what was none.
pub(crate) struct Intake {
    orders: Orders,
    pub(crate) taken: u64,
    pub(crate) refusals: Refusals,
}

enum Orders {
    MadeUp(std::ops::RangeInclusive<u64>),
    Read(mpsc::Receiver<Result<(u64, Vec<u8>), String>>),
}

impl Intake {
    /// Opens the source; fails if it is a file that cannot be opened.
    pub(crate) fn open(source: &Source) -> Result<Self, Failure> {
        let orders = match source {
            Source::MadeUp(count) => Orders::MadeUp(1..=*count),
            Source::File(path) => Orders::Read(read(path)?),
        };
        Ok(Self { orders, taken: 0, refusals: Refusals::default() })
    }

    /// The next orders; none when there are no more.
    pub(crate) async fn round(&mut self) -> Result<Vec<Order>, Failure> {
        let mut round = Vec::new();
        let filling = time::timeout(PATIENCE, self.fill(&mut round)).await;
        match filling {
            Ok(filled) => filled?,
            Err(_) if round.is_empty() => {
                let lines = self.refusals.count();
                return Err(Failure::new(format!(
                    "waited {PATIENCE:?} for an order: {lines} lines came, and none of them was one"
                )));
            }
            // A slow source: the orders that came need not wait for the others.
            Err(_) => {}
        }
        self.refusals.end_of_round();
        self.taken += round.len() as u64;
        Ok(round)
    }

    async fn fill(&mut self, round: &mut Vec<Order>) -> Result<(), Failure> {
        let mut bytes = 0;
        while round.len() < ROUND && bytes < ROUND_BYTES {
            let order = match &mut self.orders {
                Orders::MadeUp(numbers) => numbers.next().map(Order::made_up),
                Orders::Read(lines) => match lines.recv().await {
                    None => None,
                    Some(Err(cause)) => return Err(Failure::new(cause)),
                    Some(Ok((number, line))) => match Order::parse(number, &line) {
                        Ok(order) => Some(order),
                        Err(refusal) => {
                            self.refusals.add(number, refusal);
                            continue;
                        }
                    },
                },
            };
            let Some(order) = order else { break };
            bytes += order.line.len();
            round.push(order);
        }
        Ok(())
    }
}

/// Reads in a thread that is never joined: it may be stuck in a pipe when the demo ends.
fn read(path: &Path) -> Result<mpsc::Receiver<Result<(u64, Vec<u8>), String>>, Failure> {
    let unreadable = format!("cannot read {}", path.display());
    let failure = |error: std::io::Error| {
        Failure::usage(format!("{unreadable}: {error}; name a file of lines like `Ada,12.50`"))
    };
    if path.metadata().map_err(failure)?.is_dir() {
        return Err(failure(std::io::ErrorKind::IsADirectory.into()));
    }
    let (sender, lines) = mpsc::channel(64);
    let path = path.to_owned();
    thread::spawn(move || {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return drop(sender.blocking_send(Err(format!("{unreadable}: {error}")))),
        };
        for (number, line) in (1..).zip(Lines::new(BufReader::new(file), LARGEST)) {
            let line = line.map(|line| (number, line));
            let is_last = line.is_err();
            let line = line.map_err(|error| format!("{unreadable}, line {number}: {error}"));
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    /// What comes in, a round after the other.
    async fn rounds(mut intake: Intake) -> Vec<usize> {
        let mut rounds = Vec::new();
        while let [_, ..] = intake.round().await.unwrap().as_slice() {
            rounds.push(usize::try_from(intake.taken).unwrap() - rounds.iter().sum::<usize>());
        }
        rounds
    }

    fn read(lines: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Intake {
        let (sender, receiver) = mpsc::channel(1);
        thread::spawn(move || {
            for line in (1..).zip(lines) {
                sender.blocking_send(Ok(line)).unwrap();
            }
        });
        Intake { orders: Orders::Read(receiver), taken: 0, refusals: Refusals::default() }
    }

    #[tokio::test]
    async fn orders_come_in_rounds() {
        let intake = Intake::open(&Source::MadeUp(2 * ROUND as u64 + 1)).unwrap();
        assert_eq!(rounds(intake).await, [ROUND, ROUND, 1]);
    }

    #[tokio::test]
    async fn large_orders_come_in_smaller_rounds() {
        let line = [vec![b'x'; LARGEST - 2], b",1".into()].concat();
        let intake = read(iter::repeat_n(line, 50));
        assert_eq!(rounds(intake).await, [34, 16]);
    }

    #[tokio::test]
    async fn what_is_no_order_is_not_taken_but_known() {
        let lines = ["Ada,1", "", "Bob", "Grace,2"].map(|line| line.as_bytes().to_vec());
        let mut intake = read(lines.into_iter());
        let numbers: Vec<_> = intake.round().await.unwrap().iter().map(|it| it.number).collect();
        assert_eq!((numbers, intake.refusals.count()), (vec![1, 4], 2));
    }
}
