//! Any bytes have the property of `otel_messaging_properties::view`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use otel_messaging_properties::view;

// Bytes that make no input are not kept.
fuzz_target!(|bytes: &[u8]| -> Corpus { view::check(bytes).map_or(Corpus::Reject, |()| Corpus::Keep) });
