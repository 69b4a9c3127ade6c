//! What is added at the call site, for builds that record nothing.
//!
//! With the feature `otel` of a client crate off, its modules are the client's own, and this module
//! is its `otel`: the same application builds both ways. Nothing here costs anything: `process`
//! gives back the future it was given, and a batch is a `Vec`.

pub use crate::{ErrorType, FailedMessages, Failure, Gather, Outcome};

/// Messages that are processed together.
pub type Batch<L> = Vec<L>;

/// What a [`Batch`] is taken apart by.
pub trait IntoVec {
    /// A message of the batch.
    type Message;

    /// The messages.
    fn into_vec(self) -> Vec<Self::Message>;
}

impl<L> IntoVec for Batch<L> {
    type Message = L;

    fn into_vec(self) -> Self {
        self
    }
}

/// The ways to process, as a trait for the client's messages and batches of them. For client crates,
/// as neither this crate nor the client's can implement one for the other; not part of the stable
/// API.
#[doc(hidden)]
#[macro_export]
macro_rules! pass_through {
    ($($(#[$meta:meta])* $message:ty,)*) => {
        /// The ways to process a message or a batch, in the signatures that they have where it is
        /// recorded: what builds here should build there.
        pub trait Process: Sized {
            /// The future itself.
            fn process<F>(&self, future: F) -> impl ::core::future::Future<Output = F::Output>
            where
                F: ::core::future::Future<Output: $crate::Outcome>,
            {
                future
            }

            /// Calls `handler` at the first poll, and goes on with its future.
            fn process_with<H, F>(
                self,
                handler: H,
            ) -> impl ::core::future::Future<Output = F::Output>
            where
                H: FnOnce(Self) -> F,
                F: ::core::future::Future<Output: $crate::Outcome>,
            {
                async move { handler(self).await }
            }

            /// The future itself; `classify` is not called, as nobody would be told.
            fn process_classified<F, C>(
                &self,
                future: F,
                _classify: C,
            ) -> impl ::core::future::Future<Output = F::Output>
            where
                F: ::core::future::Future,
                C: FnOnce(&F::Output) -> Option<$crate::Failure>,
            {
                future
            }

            /// Calls `work`.
            fn process_sync<T: $crate::Outcome>(&self, work: impl FnOnce() -> T) -> T {
                work()
            }
        }

        $(
            $(#[$meta])*
            impl Process for $message {}

            $(#[$meta])*
            impl Process for $crate::pass_through::Batch<$message> {}
        )*
    };
}
