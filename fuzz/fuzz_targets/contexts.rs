//! Any bytes have the property of `otel_messaging_properties::contexts`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use otel_messaging_properties::contexts;

// Bytes that make no input are not kept.
fuzz_target!(|bytes: &[u8]| -> Corpus { contexts::check(bytes).map_or(Corpus::Reject, |()| Corpus::Keep) });
