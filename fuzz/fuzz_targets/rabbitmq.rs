//! Any bytes have the property of `otel_messaging_properties::rabbitmq`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use otel_messaging_properties::rabbitmq;

// Bytes that make no input are not kept.
fuzz_target!(|bytes: &[u8]| -> Corpus { rabbitmq::check(bytes).map_or(Corpus::Reject, |()| Corpus::Keep) });
