//! Sends with many futures at a time.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};

use crate::{Result, run::Run};

/// Sends the messages of a run with `send`, up to `limit` of them at a time.
pub(crate) async fn in_flight<F: Future<Output = Result>>(
    limit: usize,
    run: &mut Run,
    send: impl Fn(Bytes) -> F,
) -> Result {
    while let Some(messages) = run.next_phase() {
        let bodies = stream::unfold((&mut run.pace, messages), async |(pace, left)| {
            let left = left.checked_sub(1)?;
            Some((pace.due().await, (pace, left)))
        });
        bodies.map(&send).buffer_unordered(limit).try_for_each(|()| future::ready(Ok(()))).await?;
    }
    Ok(())
}
