//! The upper bound of batches that are sampled because of their links.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use opentelemetry::{SpanId, TraceId};

/// How many batches [`LinkSampler::any_up_to`](crate::LinkSampler::any_up_to) samples at most. All
/// spans of a batch (receive, process) are decided alike and count once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// This share of all batches, from 0 to 1, with bursts of up to 10 batches.
    Share(f64),
    /// This number a second, with bursts of up to one second's number, at least one batch.
    PerSecond(f64),
}

impl Bound {
    /// Returns how many batches may be sampled at once.
    const fn burst(self) -> f64 {
        match self {
            Self::Share(_) => 10.0,
            Self::PerSecond(number) => number.max(1.0),
        }
    }
}

/// What identifies a batch: its first link, and the number of its links.
type Batch = (TraceId, SpanId, usize);

/// The number of batches whose decision is remembered, for their further spans.
const REMEMBERED: usize = 256;

/// A token bucket, filled by batches or by time.
#[derive(Debug)]
pub(crate) struct Limiter {
    bound: Bound,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Option<Instant>,
    decided: VecDeque<(Batch, bool)>,
}

impl Limiter {
    pub(crate) const fn new(bound: Bound) -> Self {
        let state = State { tokens: 1.0, filled: None, decided: VecDeque::new() };
        Self { bound, state: Mutex::new(state) }
    }

    /// Returns whether a batch may be sampled, the same for each of its spans. Batches that are not
    /// `wanted` are counted too: the share is one of all batches.
    pub(crate) fn admits(&self, batch: Batch, wanted: bool, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, is_admitted)) = state.decided.iter().find(|(decided, _)| *decided == batch)
        {
            return *is_admitted;
        }
        let more = match self.bound {
            Bound::Share(share) => share,
            Bound::PerSecond(number) => {
                let passed = state.filled.map(|filled| now.saturating_duration_since(filled));
                number * passed.unwrap_or_default().as_secs_f64()
            }
        };
        state.filled = Some(now);
        state.tokens = (state.tokens + more).min(self.bound.burst());
        let is_admitted = wanted && state.tokens >= 1.0;
        if is_admitted {
            state.tokens -= 1.0;
        }
        if state.decided.len() == REMEMBERED {
            state.decided.pop_front();
        }
        state.decided.push_back((batch, is_admitted));
        is_admitted
    }
}

#[cfg(test)]
mod tests;
