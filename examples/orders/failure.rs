//! Why the demo could not do what it was asked to.

use std::{error::Error, fmt};

/// A cause with what to do about it, for people, and the exit status it leads to.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    pub(crate) status: u8,
}

impl Failure {
    /// Something went wrong on the way.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), status: 1 }
    }

    /// The demo was called in a way that cannot work.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), status: 2 }
    }

    /// There was nothing to do.
    pub(crate) fn no_orders() -> Self {
        let what = "no valid order, so nothing was sent; an order is a line such as `Ada,12.50`";
        Self { what: what.into(), status: 3 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {}
