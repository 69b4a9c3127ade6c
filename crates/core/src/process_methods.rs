//! The ways to process, written once for messages, batches and every client crate's messages.

/// The forms of `process` for a type that has `start_process`, with the docs of the first. For
/// this crate and client crates; not part of the stable API.
#[doc(hidden)]
#[macro_export]
macro_rules! process_forms {
    ($(#[$doc:meta])*) => {
        $(#[$doc])*
        pub async fn process<F>(&self, future: F) -> F::Output
        where
            F: ::core::future::Future<Output: $crate::Outcome>,
        {
            self.start_process().run(future).await
        }

        /// [`process`](Self::process) for a handler that takes it by value.
        pub async fn process_with<H, F>(self, handler: H) -> F::Output
        where
            H: FnOnce(Self) -> F,
            F: ::core::future::Future<Output: $crate::Outcome>,
        {
            let operation = self.start_process();
            let future = operation.within(|| handler(self));
            operation.run(future).await
        }

        /// [`process`](Self::process) where `classify` says what the result means.
        pub async fn process_classified<F, C>(&self, future: F, classify: C) -> F::Output
        where
            F: ::core::future::Future,
            C: FnOnce(&F::Output) -> Option<$crate::Failure>,
        {
            self.start_process().run_classified(future, classify).await
        }

        /// [`process`](Self::process) for work that is not asynchronous.
        pub fn process_sync<T: $crate::Outcome>(&self, work: impl FnOnce() -> T) -> T {
            let operation = self.start_process();
            let result = operation.within(work);
            operation.end_with(&result);
            result
        }
    };
}

/// Gives a message type that implements [`AsReceived`](crate::AsReceived) the inherent methods of
/// a received message. For client crates; not part of the stable API.
#[doc(hidden)]
#[macro_export]
macro_rules! process_methods {
    () => {
        /// The context the message was created in; empty if it carried none.
        pub fn creation_context(&self) -> &$crate::CreationContext {
            $crate::AsReceived::as_received(self).creation_context()
        }

        $crate::process_forms! {
            /// Runs `future` as the processing of this message: in a CONSUMER span that links to
            /// the message's creation context, is current inside at every `.await`, and ends with
            /// the result.
            ///
            /// Nothing starts before the first poll. The result is `()` or any `Result`, whose
            /// `Err` marks the span; a panic ends it as an error and goes on unwinding.
            /// Cancel safety: dropped in the middle, the span ends as `cancelled`.
        }

        /// Starts to process this message, for code that is neither one future nor one closure.
        /// The work is done in the context of the operation, which ends when it is told to, or
        /// dropped.
        pub fn start_process(&self) -> $crate::ActiveOperation {
            $crate::AsReceived::as_received(self).start_process()
        }
    };
}
