//! Tests each rule of behaviour, on any broker.
//!
//! A client crate implements [`Broker`] for its own wrappers, and calls the macro in an integration
//! test:
//!
//! ```text
//! otel_messaging_testing::conformance!(MyBroker);
//! ```
//!
//! The macro makes one test of each function below, with the same name. The crate needs `tokio`
//! with the features `macros` and `rt-multi-thread`. The test binary must not set the global
//! providers or the global propagator: tests that depend on these need a process of their own.
//!
//! Assertions are exact. A [`Broker`] declares what its system or client cannot do. The rule then
//! asserts that it does not happen; no test is skipped.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "tests fail by panicking")]

mod bare;
mod broker;
mod expect;
mod propagator;
mod r01;
mod r02;
mod r03;
mod r04;
mod r05;
mod r06;
mod r07;
mod r08;
mod r09;
mod r10;
mod r11;
mod r12;
mod r13;
mod r14;
mod r15;
mod r16;
mod r17;
mod r18;
mod r19;
mod r20;
mod r21;
mod r22;
mod r23;
mod r24;
mod r25;
mod r27;
mod r28;
mod r29;
mod scene;

/// Makes one test for each rule, which runs on the named [`Broker`](crate::conformance::Broker).
#[macro_export]
macro_rules! conformance {
    ($broker:ty) => {
        $crate::conformance_rules! { $crate::conformance_test, $broker }
    };
}

/// Makes one test for each of the given rules.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_test {
    ($broker:ty, $($rule:ident)+) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::conformance::$rule::<$broker>().await;
            }
        )+
    };
}

macro_rules! rules {
    ($($module:ident::$rule:ident,)+) => {
        $(pub use self::$module::$rule;)+

        /// Calls the macro `$test` with the names of all rules.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! conformance_rules {
            ($test:path, $broker:ty) => { $test! { $broker, $($rule)+ } };
        }
    };
}

rules! {
    r01::r01_propagation_is_a_choice,
    r02::r02_extract_ignores_the_ambient_context,
    r03::r03_inject_replaces,
    r04::r04_never_interfere,
    r05::r05_context_keeps_flowing,
    r06::r06_a_message_carries_its_send_span,
    r07::r07_a_batch_send_creates_each_message,
    r08::r08_a_forwarded_context_is_replaced_and_linked,
    r09::r09_a_custom_creation_context_is_kept,
    r10::r10_a_send_ends_with_the_answer,
    r11::r11_receive_spans_are_made_at_hand_over,
    r12::r12_process_is_scoped_by_the_work,
    r13::r13_the_creation_context_is_always_linked,
    r14::r14_a_batch_is_one_span_with_a_link_each,
    r15::r15_no_link_is_lost,
    r16::r16_baggage_comes_with_the_message,
    r17::r17_settling_is_linked,
    r18::r18_metrics_are_exact,
    r19::r19_samplers_see_what_matters,
    r20::r20_names_are_of_low_cardinality,
    r21::r21_off_until_asked_for,
    r22::r22_error_type_is_a_class,
    r23::r23_the_scope_is_always_set,
    r24::r24_drop_is_an_outcome,
    r25::r25_no_guard_is_held_over_an_await,
    r27::r27_the_topology_is_chosen,
    r28::r28_trust_is_chosen,
    r29::r29_a_process_span_starts_with_the_baggage,
}

pub use self::broker::{Broker, Client, Failing, Fault, Header, Headers, Outgoing, Place, Setup};
