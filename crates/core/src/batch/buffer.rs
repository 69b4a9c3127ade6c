//! Collects messages into batches without losing any.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

/// Collects messages: a batch is complete when it has `max` messages, or when the timer that runs
/// from its first one is over.
///
/// It outlives the future that waits for a batch, so that no message is lost when that future is
/// dropped, as in a `select!`. `T` is the timer of the client's runtime, `E` an error that ends a
/// batch early.
///
/// ```
/// # use std::{future::Ready, task::{Context, Poll, Waker}};
/// use otel_messaging_core::client::BatchBuffer;
///
/// let mut buffer: BatchBuffer<u32, Ready<()>, &str> = BatchBuffer::new(2);
/// let mut messages = [Ok(1), Ok(2), Ok(3), Err("gone")].into_iter();
/// let mut next = || {
///     let mut context = Context::from_waker(Waker::noop());
///     buffer.poll(&mut context, |_| Poll::Ready(messages.next()), || std::future::ready(()))
/// };
/// assert_eq!(next(), Poll::Ready(Some(Ok(vec![1, 2]))));
/// assert_eq!(next(), Poll::Ready(Some(Ok(vec![3])))); // first what came before the error
/// assert_eq!(next(), Poll::Ready(Some(Err("gone"))));
/// assert_eq!(next(), Poll::Ready(None));
/// ```
pub struct BatchBuffer<M, T, E> {
    max: usize,
    collected: Vec<M>,
    /// The length of the last batch, which the next one gets room for at once.
    expected: usize,
    /// Runs from the first message that was collected.
    timer: Option<Pin<Box<T>>>,
    /// Follows the batch that it ended.
    error: Option<E>,
    /// Whether the source has ended.
    has_ended: bool,
}

impl<M, T: Future, E> BatchBuffer<M, T, E> {
    /// Makes a buffer for batches of `max` messages; zero acts as one, as an empty batch would always
    /// be complete.
    pub fn new(max: usize) -> Self {
        let collected = Vec::new();
        let max = max.max(1);
        Self { max, collected, expected: 0, timer: None, error: None, has_ended: false }
    }

    /// Polls for the next batch: takes messages from `next`, which returns `None` at the end of the
    /// source, until the batch is full, an error comes, or the timer that `start_timer` makes is
    /// over. A batch is never empty.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<M, E>>>,
        start_timer: impl FnOnce() -> T,
    ) -> Poll<Option<Result<Vec<M>, E>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut start_timer = Some(start_timer);
        while !self.has_ended && self.collected.len() < self.max {
            match next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    if self.collected.is_empty() {
                        self.collected.reserve_exact(self.expected);
                    }
                    self.collected.push(message);
                    let is_first = self.timer.is_none() && self.collected.len() < self.max;
                    if let Some(start) = start_timer.take_if(|_| is_first) {
                        self.timer = Some(Box::pin(start()));
                    }
                }
                Poll::Ready(Some(Err(error))) if self.collected.is_empty() => {
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.error = Some(error);
                    break;
                }
                Poll::Ready(None) => self.has_ended = true,
                Poll::Pending => {
                    let Some(timer) = &mut self.timer else { return Poll::Pending };
                    match timer.as_mut().poll(context) {
                        Poll::Ready(_) => break,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        Poll::Ready(self.flush().map(Ok))
    }

    /// Returns the messages that were collected so far, if there are any.
    pub fn flush(&mut self) -> Option<Vec<M>> {
        self.timer = None;
        self.expected = self.collected.len();
        (!self.collected.is_empty()).then(|| mem::take(&mut self.collected))
    }
}

impl<M, T, E> fmt::Debug for BatchBuffer<M, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuffer")
            .field("max", &self.max)
            .field("collected", &self.collected.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        future::{Pending, Ready, pending, ready},
        task::Waker,
    };

    use super::*;

    /// A source that yields these items one after the other, and is then pending.
    #[derive(Default)]
    struct Script(VecDeque<Poll<Option<Result<u32, &'static str>>>>);

    impl Script {
        fn come(&mut self, polls: impl IntoIterator<Item = Result<u32, &'static str>>) {
            self.0.extend(polls.into_iter().map(|poll| Poll::Ready(Some(poll))));
        }

        fn next<T: Future>(
            &mut self,
            buffer: &mut BatchBuffer<u32, T, &'static str>,
            timer: impl FnOnce() -> T,
        ) -> Poll<Option<Result<Vec<u32>, &'static str>>> {
            let mut context = Context::from_waker(Waker::noop());
            buffer.poll(&mut context, |_| self.0.pop_front().unwrap_or(Poll::Pending), timer)
        }
    }

    fn batch<const N: usize>(messages: [u32; N]) -> Poll<Option<Result<Vec<u32>, &'static str>>> {
        Poll::Ready(Some(Ok(messages.to_vec())))
    }

    #[test]
    fn a_batch_is_full_or_its_time_is_over() {
        let (mut script, mut buffer) = (Script::default(), BatchBuffer::<_, Ready<()>, _>::new(3));
        script.come([Ok(1), Ok(2), Ok(3), Ok(4)]);
        assert_eq!(script.next(&mut buffer, || ready(())), batch([1, 2, 3]));
        assert_eq!(script.next(&mut buffer, || ready(())), batch([4]));
        assert!(script.next(&mut buffer, || ready(())).is_pending(), "a batch is never empty");
    }

    #[test]
    fn a_batch_takes_room_for_as_many_messages_as_the_last_one_had() {
        let (mut script, mut buffer) = (Script::default(), BatchBuffer::<_, Ready<()>, _>::new(50));
        let mut batch_of = |messages| {
            script.come((0..messages).map(Ok));
            match script.next(&mut buffer, || ready(())) {
                Poll::Ready(Some(Ok(batch))) => (batch.len(), batch.capacity()),
                other => panic!("no batch: {other:?}"),
            }
        };
        assert_eq!(batch_of(50), (50, 64), "it grows by itself");
        assert_eq!(batch_of(17), (17, 50));
        assert_eq!(batch_of(17), (17, 17));
        assert_eq!(batch_of(18), (18, 34));
    }

    #[test]
    fn what_was_collected_waits_for_the_next_poll() {
        let (mut script, mut buffer) =
            (Script::default(), BatchBuffer::<_, Pending<()>, _>::new(3));
        for message in 1..=2 {
            script.come([Ok(message)]);
            assert!(script.next(&mut buffer, pending).is_pending());
        }
        script.come([Ok(3), Ok(4)]);
        assert_eq!(script.next(&mut buffer, pending), batch([1, 2, 3]));
        assert!(script.next(&mut buffer, pending).is_pending());
        assert_eq!(buffer.flush(), Some(vec![4]));
        assert_eq!(buffer.flush(), None);
    }

    #[test]
    fn the_timer_starts_with_the_first_and_ends_with_the_batch() {
        let (mut script, mut buffer) =
            (Script::default(), BatchBuffer::<_, Pending<()>, _>::new(2));
        script.come([Ok(1)]);
        assert!(script.next(&mut buffer, pending).is_pending());
        assert!(script.next(&mut buffer, || panic!("the timer is running")).is_pending());
        script.come([Ok(2)]);
        assert_eq!(script.next(&mut buffer, || panic!("the timer is running")), batch([1, 2]));
        script.come([Ok(3), Ok(4)]);
        let mut started = 0;
        let start = || {
            started += 1;
            pending()
        };
        assert_eq!(script.next(&mut buffer, start), batch([3, 4]));
        assert_eq!(started, 1, "one timer per batch");
    }

    #[test]
    fn an_error_and_the_end_come_after_what_was_collected() {
        let (mut script, mut buffer) =
            (Script::default(), BatchBuffer::<_, Pending<()>, _>::new(3));
        script.come([Ok(1), Err("gone"), Err("gone for good"), Ok(2)]);
        script.0.push_back(Poll::Ready(None));
        assert_eq!(script.next(&mut buffer, pending), batch([1]));
        assert_eq!(script.next(&mut buffer, pending), Poll::Ready(Some(Err("gone"))));
        assert_eq!(script.next(&mut buffer, pending), Poll::Ready(Some(Err("gone for good"))));
        assert_eq!(script.next(&mut buffer, pending), batch([2]));
        script.come([Ok(3)]);
        for _ in 0..2 {
            assert_eq!(
                script.next(&mut buffer, pending),
                Poll::Ready(None),
                "the end is permanent"
            );
        }
    }

    #[test]
    fn a_maximum_of_zero_acts_as_one() {
        let (mut script, mut buffer) =
            (Script::default(), BatchBuffer::<_, Pending<()>, _>::new(0));
        script.come([Ok(1)]);
        assert_eq!(script.next(&mut buffer, || panic!("the batch is full")), batch([1]));
    }
}
