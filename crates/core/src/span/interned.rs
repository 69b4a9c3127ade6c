//! Texts that every span repeats, kept for the life of the process.
//!
//! A static text is copied without an allocation, and without a reference count that all threads
//! write to. Kept texts are never freed, so they are limited in number and in length: at most half
//! a megabyte a process. Past the limit, texts are shared by reference counts.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use opentelemetry::KeyValue;

const MAX_TEXTS: usize = 4096;
const MAX_LENGTH: usize = 128;

/// An attribute that spans repeat, in a form whose copy need not look at the kind of its key and
/// value: that takes longer than the copying.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Static(&'static str, &'static str),
    Shared(&'static str, Arc<str>),
    Int(&'static str, i64),
}

impl Attribute {
    pub(crate) fn new(key: &'static str, text: &str) -> Self {
        match intern(text) {
            Some(text) => Self::Static(key, text),
            None => Self::Shared(key, text.into()),
        }
    }

    #[inline]
    pub(crate) fn to_key_value(&self) -> KeyValue {
        match self {
            Self::Static(key, text) => KeyValue::new(*key, *text),
            Self::Shared(key, text) => KeyValue::new(*key, Arc::clone(text)),
            Self::Int(key, number) => KeyValue::new(*key, *number),
        }
    }
}

/// Interns the text of a span's name.
pub(crate) fn text(text: String) -> Cow<'static, str> {
    intern(&text).map_or(Cow::Owned(text), Cow::Borrowed)
}

fn intern(text: &str) -> Option<&'static str> {
    static KNOWN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    keep(&mut KNOWN.lock().unwrap_or_else(PoisonError::into_inner), text)
}

/// Returns the kept text, or `None` if there is no room for it.
fn keep(known: &mut HashSet<&'static str>, text: &str) -> Option<&'static str> {
    if let Some(known) = known.get(text) {
        return Some(known);
    }
    if known.len() >= MAX_TEXTS || text.len() > MAX_LENGTH {
        return None;
    }
    let kept: &'static str = Box::leak(text.into());
    known.insert(kept);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let first = intern("orders").unwrap();
        assert!(std::ptr::eq(first, intern("orders").unwrap()));
        assert_eq!(intern(&"x".repeat(MAX_LENGTH + 1)), None);
        assert_eq!(text("x".repeat(MAX_LENGTH + 1)).len(), MAX_LENGTH + 1);
        let long = Attribute::new("key", &"x".repeat(MAX_LENGTH + 1));
        assert_eq!(long.to_key_value(), KeyValue::new("key", "x".repeat(MAX_LENGTH + 1)));
    }

    #[test]
    fn so_many_texts_are_kept_and_no_more() {
        let mut known = HashSet::new();
        for number in 0..MAX_TEXTS {
            assert!(keep(&mut known, &number.to_string()).is_some());
        }
        assert_eq!(keep(&mut known, "one more"), None);
        assert_eq!(keep(&mut known, "0"), Some("0"), "what is kept is still found");
        assert_eq!(known.len(), MAX_TEXTS);
    }
}
