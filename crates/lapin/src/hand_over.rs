//! Calls that the client takes when they are polled first.

use std::{future::poll_fn, pin::pin, task::Poll};

use lapin::Result;
use otel_messaging_core::ActiveOperation;

/// Awaits a call of the client, and tells `operation` when the client has taken it: at the first
/// poll, unless that is an error.
///
/// Cancel safety: dropped after the first poll, the client goes on, and the operation ends as handed
/// over.
pub(crate) async fn hand_over<T>(
    call: impl Future<Output = Result<T>>,
    operation: &mut ActiveOperation,
) -> Result<T> {
    let mut call = pin!(call);
    poll_fn(|context| {
        let polled = call.as_mut().poll(context);
        if !matches!(polled, Poll::Ready(Err(_))) {
            operation.handed_over();
        }
        polled
    })
    .await
}
