//! Batches out of a stream that hands over one delivery at a time.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use lapin::{Error, Result, message as bare};
use otel_messaging_core::{Batch, Clock};

use super::failed;
use crate::{
    message::{Delivery, Source},
    semconv,
};

/// A stream of batches, made by [`Consumer::batches`](super::Consumer::batches).
///
/// A batch is handed over when it has `max` deliveries, or when `max_wait` is over since its first
/// one came; while there is none, it waits. Each has ONE receive span, which links to every
/// message's creation context.
///
/// Cancel safety: what was collected stays here when [`next`](Self::next) is dropped, as in a
/// `select!`, and comes with the next batch. An error of the client ends the batch, and so does
/// the end of its stream: first the deliveries that were collected come, then the error. Before
/// this is dropped, [`flush`](Self::flush) gives what was collected; what is not settled is
/// delivered again when the channel closes.
#[must_use = "streams do nothing unless polled"]
pub struct Batches<C, S, T> {
    deliveries: C,
    source: Arc<Source>,
    max: usize,
    max_wait: Duration,
    sleep: S,
    collected: Vec<Delivery>,
    /// Runs from the first delivery that was collected.
    timer: Option<Pin<Box<T>>>,
    /// Runs from the first poll after the last batch.
    clock: Option<Clock>,
    /// What comes after what was collected: an error of the client, or its end.
    error: Option<Error>,
    ended: bool,
}

impl<C, S, T> Batches<C, S, T>
where
    C: Stream<Item = Result<bare::Delivery>> + Unpin,
    S: Fn(Duration) -> T,
    T: Future,
{
    pub(super) fn new(
        deliveries: C,
        source: Arc<Source>,
        max: usize,
        max_wait: Duration,
        sleep: S,
    ) -> Self {
        Self {
            deliveries,
            source,
            // A batch of none would be ready for ever.
            max: max.max(1),
            max_wait,
            sleep,
            collected: Vec::new(),
            timer: None,
            clock: None,
            error: None,
            ended: false,
        }
    }

    /// Waits for the next batch; none comes after the consumer was cancelled.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// Those of the client; with automatic recovery, there may be more batches after one.
    pub async fn next(&mut self) -> Option<Result<Batch<Delivery>>> {
        poll_fn(|context| pin!(&mut *self).poll_next(context)).await
    }

    /// What was collected so far, without waiting, if anything was: for the end of a consumer's
    /// life.
    pub fn flush(&mut self) -> Option<Batch<Delivery>> {
        if self.collected.is_empty() {
            return None;
        }
        let clock = self.clock();
        self.clock = None;
        self.timer = None;
        let collected = mem::take(&mut self.collected);
        self.source.endpoint.receive_batch(semconv::RECEIVE, clock, &collected);
        Some(collected.into())
    }

    fn clock(&mut self) -> Clock {
        *self.clock.get_or_insert_with(|| self.source.endpoint.clock())
    }
}

impl<C, S, T> Stream for Batches<C, S, T>
where
    C: Stream<Item = Result<bare::Delivery>> + Unpin,
    S: Fn(Duration) -> T,
    T: Future,
{
    type Item = Result<Batch<Delivery>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let clock = this.clock();
        while this.error.is_none() && !this.ended && this.collected.len() < this.max {
            match Pin::new(&mut this.deliveries).poll_next(context) {
                Poll::Ready(Some(Ok(delivery))) => {
                    this.collected.push(Delivery::of(this.source.hold(delivery)));
                    if this.timer.is_none() {
                        this.timer = Some(Box::pin((this.sleep)(this.max_wait)));
                    }
                }
                Poll::Ready(Some(Err(error))) => this.error = Some(error),
                Poll::Ready(None) => this.ended = true,
                Poll::Pending => {
                    let Some(timer) = &mut this.timer else { return Poll::Pending };
                    if timer.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    break;
                }
            }
        }
        if let Some(batch) = this.flush() {
            return Poll::Ready(Some(Ok(batch)));
        }
        this.clock = None;
        let error = this.error.take();
        Poll::Ready(error.map(|error| Err(failed(&this.source.endpoint, clock, error))))
    }
}

/// The timer is in a box, and nothing else is ever pinned.
impl<C: Unpin, S, T> Unpin for Batches<C, S, T> {}

impl<C, S, T> fmt::Debug for Batches<C, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("max", &self.max)
            .field("max_wait", &self.max_wait)
            .field("collected", &self.collected.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future, sync::Mutex};

    use futures::FutureExt;
    use lapin::ErrorKind;
    use otel_messaging_core::{Endpoint, Instrumentation};

    use super::*;

    /// What a stream gives when it is polled, one after the other; it is pending then.
    type Script = Arc<Mutex<VecDeque<Poll<Option<Result<bare::Delivery>>>>>>;

    struct Scripted(Script);

    impl Stream for Scripted {
        type Item = Result<bare::Delivery>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.lock().unwrap().pop_front().unwrap_or(Poll::Pending)
        }
    }

    fn delivery(tag: u64) -> Poll<Option<Result<bare::Delivery>>> {
        let delivery = bare::Delivery::mock(tag, "".into(), "q".into(), false, Vec::new());
        Poll::Ready(Some(Ok(delivery)))
    }

    fn error() -> Poll<Option<Result<bare::Delivery>>> {
        Poll::Ready(Some(Err(ErrorKind::ChannelsLimitReached.into())))
    }

    /// The script, and batches of three of it, whose timer is over when `timer` says so.
    fn batches<T: Future>(
        max: usize,
        timer: impl Fn() -> T,
    ) -> (Script, Batches<Scripted, impl Fn(Duration) -> T, T>) {
        let endpoint =
            Endpoint::builder(semconv::SYSTEM).build(&Instrumentation::builder().build());
        let source = Arc::new(Source::new("q".into(), endpoint, Arc::default()));
        let script = Script::default();
        let stream = Scripted(Arc::clone(&script));
        (script, Batches::new(stream, source, max, Duration::from_secs(1), move |_| timer()))
    }

    /// How many are in the next batch; none if there is none yet.
    fn next<S, T>(batches: &mut Batches<Scripted, S, T>) -> Poll<Option<Result<usize>>>
    where
        S: Fn(Duration) -> T,
        T: Future,
    {
        match batches.next().now_or_never() {
            Some(next) => Poll::Ready(next.map(|batch| batch.map(|batch| batch.len()))),
            None => Poll::Pending,
        }
    }

    fn script<const N: usize>(script: &Script, polls: [Poll<Option<Result<bare::Delivery>>>; N]) {
        script.lock().unwrap().extend(polls);
    }

    #[test]
    fn a_batch_is_full_or_its_time_is_over() {
        let (stream, mut batches) = batches(3, || future::ready(()));
        script(&stream, [delivery(1), delivery(2), delivery(3), delivery(4)]);
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(3))));
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(1))), "its time is over");
        assert_eq!(next(&mut batches), Poll::Pending, "there is no batch of none");
    }

    #[test]
    fn dropping_next_loses_nothing() {
        let (stream, mut batches) = batches(3, future::pending::<()>);
        for tag in 1..=2 {
            script(&stream, [delivery(tag)]);
            assert_eq!(next(&mut batches), Poll::Pending);
        }
        script(&stream, [delivery(3), delivery(4)]);
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(3))));
        assert_eq!(next(&mut batches), Poll::Pending);
        assert_eq!(batches.flush().map(|batch| batch[0].delivery_tag), Some(4));
        assert!(batches.flush().is_none());
    }

    #[test]
    fn an_error_comes_after_what_was_collected_and_the_end_stays() {
        let (stream, mut batches) = batches(3, future::pending::<()>);
        script(&stream, [delivery(1), error(), delivery(2), Poll::Ready(None)]);
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(1))));
        assert!(matches!(next(&mut batches), Poll::Ready(Some(Err(_)))));
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(1))), "a recovered channel goes on");
        script(&stream, [delivery(3)]);
        assert_eq!(next(&mut batches), Poll::Ready(None));
        assert_eq!(next(&mut batches), Poll::Ready(None));
    }

    #[test]
    fn a_batch_of_none_has_one() {
        let (stream, mut batches) = batches(0, future::pending::<()>);
        script(&stream, [delivery(1)]);
        assert_eq!(next(&mut batches), Poll::Ready(Some(Ok(1))));
    }
}
