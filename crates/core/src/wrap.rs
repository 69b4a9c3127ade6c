//! The macros that give every wrapper and every message type what they have in common.

/// Gives a type with the client's own in a field `bare` what every wrapper has: `get_ref`,
/// `into_inner`, `Deref` to the client's own, and `Debug`.
///
/// ```
/// use otel_messaging_core::client::wrapper;
///
/// /// Wraps a vector.
/// pub struct Wrapped<T> {
///     bare: Vec<T>,
/// }
///
/// wrapper!(Wrapped[T]: Vec<T>);
///
/// let wrapped = Wrapped { bare: vec![1, 2] };
/// assert_eq!(wrapped.len(), 2);
/// assert_eq!(wrapped.into_inner(), [1, 2]);
/// ```
#[macro_export]
macro_rules! wrapper {
    ($wrapper:ident $([$($generic:ident $(: $bound:path)?),*])?: $bare:ty) => {
        impl $(<$($generic $(: $bound)?),*>)? $wrapper $(<$($generic),*>)? {
            /// Returns the client's own. What is done with it is not instrumented.
            pub const fn get_ref(&self) -> &$bare {
                &self.bare
            }

            /// Returns the client's own. What is done with it is not instrumented.
            pub fn into_inner(self) -> $bare {
                self.bare
            }
        }

        impl $(<$($generic $(: $bound)?),*>)? ::std::ops::Deref for $wrapper $(<$($generic),*>)? {
            type Target = $bare;

            fn deref(&self) -> &Self::Target {
                &self.bare
            }
        }

        impl $(<$($generic $(: $bound)?),*>)? ::std::fmt::Debug for $wrapper $(<$($generic),*>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($wrapper)).finish_non_exhaustive()
            }
        }
    };
}

/// Gives a message type that implements [`AsReceived`](crate::AsReceived) the inherent methods of
/// a received message: `creation_context`, `process` in its forms, and `start_process`.
#[macro_export]
macro_rules! process_methods {
    () => {
        /// Returns the context the message was created in; empty if it carried none.
        pub fn creation_context(&self) -> &$crate::CreationContext {
            $crate::AsReceived::as_received(self).creation_context()
        }

        $crate::process_forms! {
            /// Runs `future` inside a CONSUMER span that links to the span which sent the message.
            /// Make spans of your own inside `future`: one that is made before, as in
            /// `process(work.instrument(info_span!("bill")))`, is apart from it. Write
            /// `process(async { work.instrument(info_span!("bill")).await })`.
            ///
            /// The span starts at the first poll, is current inside `future` at every `.await`,
            /// and ends with the result: `()` or any `Result`, whose `Err` marks the span. A panic
            /// ends it as an error and goes on unwinding.
            ///
            /// Cancel safety: dropped before the end, the span ends as `cancelled`.
        }

        /// Starts the process span and returns its guard, for code that is neither one future nor
        /// one closure. Work in the guard's context; dropped without `end`, the span is recorded as
        /// `cancelled`.
        pub fn start_process(&self) -> $crate::ActiveOperation {
            $crate::AsReceived::as_received(self).start_process()
        }
    };
}

/// Defines the forms of `process` for a type that has `start_process`, with the docs of the first.
#[doc(hidden)]
#[macro_export]
macro_rules! process_forms {
    ($(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn process<F>(&self, future: F) -> $crate::client::Processing<'_, Self, F>
        where
            F: ::core::future::Future<Output: $crate::Outcome>,
        {
            let classify = <F::Output as $crate::Outcome>::failure;
            $crate::client::Processing::new(self, Self::start_process, future, classify)
        }

        /// Runs `future` as [`process`](Self::process) does; `classify` says what its result means.
        ///
        /// Cancel safety: dropped before the end, the span ends as `cancelled`.
        pub fn process_classified<F, C>(
            &self,
            future: F,
            classify: C,
        ) -> $crate::client::Processing<'_, Self, F, C>
        where
            F: ::core::future::Future,
            C: FnOnce(&F::Output) -> Option<$crate::Failure>,
        {
            $crate::client::Processing::new(self, Self::start_process, future, classify)
        }

        /// Calls `handler` with the message inside the process span, and awaits what it returns; see
        /// [`process`](Self::process).
        ///
        /// Cancel safety: dropped before the end, the span ends as `cancelled`.
        pub async fn process_with<H, F>(self, handler: H) -> F::Output
        where
            H: FnOnce(Self) -> F,
            F: ::core::future::Future<Output: $crate::Outcome>,
        {
            let operation = self.start_process();
            let future = operation.in_scope(|| handler(self));
            operation.run(future).await
        }

        /// Calls `work` inside the process span; see [`process`](Self::process).
        pub fn process_sync<T: $crate::Outcome>(&self, work: impl FnOnce() -> T) -> T {
            let operation = self.start_process();
            let result = operation.in_scope(work);
            operation.end_with(&result);
            result
        }
    };
}
