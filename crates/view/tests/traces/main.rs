//! What is read, how spans are joined, and what is drawn of them as text and as a map.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]

mod by_hand;
mod input;
mod map;
mod text;
