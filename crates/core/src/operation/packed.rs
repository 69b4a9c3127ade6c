//! A send as a number, for clients that hand a pointer through to the broker's answer.

use std::{sync::Arc, time::Duration};

use crate::{
    ActiveOperation, Instrumenter,
    instrumenter::{Inner, Started},
    span::{
        end::{OperationState, OwnSpan},
        numbered::BITS as NUMBER_BITS,
        target::Shared,
    },
};

/// The unit of time, in nanoseconds. The shortest bucket of a duration is 5 ms.
const UNIT: u64 = 64;
/// The bits of the time, which are enough for four years.
const TIME_BITS: u32 = 51;

impl Instrumenter {
    /// Packs an operation whose span does not record into a number of 63 bits, which fits into a
    /// pointer that a client hands through to the broker's answer. Nothing is kept beside it: with
    /// tens of thousands of messages in flight, memory would be out of the cache when it is read
    /// again. Take it back by [`unpack`](Self::unpack): what is packed has no end otherwise.
    ///
    /// # Errors
    /// Returns an operation that has more to keep: a span that records, a partition, several
    /// messages, or another instrumenter.
    pub fn pack(&self, mut operation: ActiveOperation) -> Result<u64, ActiveOperation> {
        let pack = |inner: &Inner| inner.pack(operation.state()?);
        match self.0.as_deref().and_then(pack) {
            Some(packed) => {
                operation.forget();
                Ok(packed)
            }
            None => Err(operation),
        }
    }

    /// Returns the operation that [`pack`](Self::pack) of the same instrumenter has packed.
    pub fn unpack(&self, packed: u64) -> ActiveOperation {
        ActiveOperation::running(self.0.as_deref().and_then(|inner| inner.unpack(packed)))
    }
}

impl Inner {
    fn pack(&self, state: &OperationState<'_>) -> Option<u64> {
        let (target, started) = state.without_span()?;
        if !Arc::ptr_eq(&target.telemetry, &self.telemetry) {
            return None;
        }
        let nanoseconds = u64::try_from(started.duration_since(self.built).as_nanos()).ok()?;
        let time = nanoseconds / UNIT;
        (time >> TIME_BITS == 0).then_some(time << NUMBER_BITS | u64::from(target.number()?))
    }

    fn unpack(&self, packed: u64) -> Option<OperationState<'_>> {
        let number = u32::try_from(packed & ((1 << NUMBER_BITS) - 1)).ok()?;
        let target = Shared::Borrowed(self.targets.numbered(number)?);
        let time = Duration::from_nanos((packed >> NUMBER_BITS).checked_mul(UNIT)?);
        let started = Started { time: None, instant: self.built.checked_add(time) };
        Some(OperationState::new(target, None, OwnSpan::None, false, started, 1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{Destination, Instrumentation, Operation, OperationType, System};

    const SEND: Operation = Operation::new(OperationType::Send, "send");

    fn instrumenter() -> Instrumenter {
        let system = System::new("test", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Instrumenter::builder(system).build(&Instrumentation::builder().build())
    }

    fn started(inner: &Inner, name: &str, time: Duration) -> OperationState<'static> {
        let target = inner.target(SEND, Some(&Destination::new(name)));
        let started = Started { time: None, instant: inner.built.checked_add(time) };
        OperationState::new(target, None, OwnSpan::None, false, started, 1).into_owned()
    }

    fn operation(state: OperationState<'static>) -> ActiveOperation {
        ActiveOperation::running(Some(state))
    }

    #[test]
    fn a_packed_operation_keeps_its_destination_and_its_start() {
        let instrumenter = instrumenter();
        let inner = instrumenter.0.as_deref().unwrap();
        for (name, seconds) in [("orders", 0), ("refunds", 1), ("orders", 4 * 365 * 24 * 3600)] {
            let time = Duration::new(seconds, 123_456_789);
            let packed = instrumenter.pack(operation(started(inner, name, time))).unwrap();
            assert_eq!(packed >> 63, 0, "there is room for a mark");
            let unpacked = inner.unpack(packed).unwrap();
            let (target, start) = unpacked.without_span().unwrap();
            assert_eq!(target.span_name, format!("send {name}"));
            let late = inner.built + time - start;
            assert!(late < Duration::from_nanos(UNIT), "{late:?}");
        }
    }

    #[test]
    fn what_has_more_to_keep_is_not_packed() {
        let instrumenter = instrumenter();
        let inner = instrumenter.0.as_deref().unwrap();
        let plain = || started(inner, "orders", Duration::from_secs(1));
        let (mut partitioned, mut several, mut ended) = (plain(), plain(), plain());
        partitioned.set_partition(3);
        several.count(2);
        ended.end(None);
        let ten_years = started(inner, "orders", Duration::from_secs(10 * 365 * 24 * 3600));
        let without_clock = OperationState::new(
            inner.target(SEND, None),
            None,
            OwnSpan::None,
            false,
            Started::default(),
            1,
        );
        for state in [partitioned, several, ended, ten_years, without_clock.into_owned()] {
            let shown = format!("{state:?}");
            assert!(instrumenter.pack(operation(state)).is_err(), "{shown}");
        }
        assert!(instrumenter.pack(operation(plain())).is_ok());
        let other = self::instrumenter();
        assert!(other.pack(operation(plain())).is_err(), "it belongs to another instrumenter");
        assert!(instrumenter.pack(ActiveOperation::none()).is_err());
        assert!(Instrumenter::disabled().pack(operation(plain())).is_err());
    }

    #[test]
    fn any_number_is_unpacked_without_a_panic() {
        let instrumenter = instrumenter();
        let inner = instrumenter.0.as_deref().unwrap();
        drop(operation(started(inner, "orders", Duration::ZERO)));
        for packed in [0, 1, u64::MAX, u64::MAX << NUMBER_BITS, Instant::now().elapsed().as_secs()]
        {
            drop(instrumenter.unpack(packed));
            drop(Instrumenter::disabled().unpack(packed));
        }
    }
}
