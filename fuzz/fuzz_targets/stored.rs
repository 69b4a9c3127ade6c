//! Any bytes have the property of `otel_messaging_properties::stored`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use otel_messaging_properties::stored;

// Bytes that make no input are not kept.
fuzz_target!(|bytes: &[u8]| -> Corpus { stored::check(bytes).map_or(Corpus::Reject, |()| Corpus::Keep) });
