//! Attributes as tests expect them: whole sets, in any order.

use std::{borrow::Cow, sync::Arc};

use opentelemetry::{Array, KeyValue, StringValue, Value};

/// The value that an attribute is expected to have; made from what it is to equal, or by [`any`].
#[derive(Clone, Debug)]
pub struct ExpectedValue(Option<Value>);

/// A value that must be there but is not known beforehand, such as an offset or a port.
pub fn any() -> ExpectedValue {
    ExpectedValue(None)
}

/// Asserts that `found` is exactly the `expected` set, in whatever order.
///
/// # Panics
///
/// If it is not, with the difference.
#[track_caller]
pub fn assert_attributes(
    found: &[KeyValue],
    expected: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
) {
    let expected = Attributes::from_pairs(expected);
    let differences = expected.differences(found);
    assert!(differences.is_empty(), "attributes differ:\n  {}", differences.join("\n  "));
}

/// A whole set of expected attributes; no key stands in it twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Vec<(&'static str, ExpectedValue)>);

impl Attributes {
    #[track_caller]
    pub(crate) fn from_pairs(
        pairs: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        let mut attributes = Self::default();
        for (key, value) in pairs {
            attributes.add(key, value);
        }
        attributes
    }

    #[track_caller]
    pub(crate) fn add(&mut self, key: &'static str, value: ExpectedValue) {
        assert!(self.0.iter().all(|(other, _)| *other != key), "attribute {key} is expected twice");
        self.0.push((key, value));
    }

    pub(crate) fn match_all(&self, found: &[KeyValue]) -> bool {
        // Expected keys are distinct, so equal numbers make this one to one.
        self.0.len() == found.len() && self.count_missing(found) == 0
    }

    /// How many attributes are missing, wrong or too many: cheap, to find what is nearest.
    pub(crate) fn distance(&self, found: &[KeyValue]) -> usize {
        let missing = self.count_missing(found);
        missing.max(found.len() + missing - self.0.len())
    }

    /// One line for every attribute that is missing (`-`) or not expected (`+`), by key.
    pub(crate) fn differences(&self, found: &[KeyValue]) -> Vec<String> {
        let mut unexpected: Vec<&KeyValue> = found.iter().collect();
        let mut lines = Vec::new();
        for (key, value) in &self.0 {
            match unexpected.iter().position(|other| value.is_for(key, other)) {
                Some(at) => {
                    unexpected.remove(at);
                }
                None => lines.push((*key, format!("- attribute {key} = {value}"))),
            }
        }
        for KeyValue { key, value, .. } in unexpected {
            lines.push((key.as_str(), format!("+ attribute {key} = {}", show_value(value))));
        }
        // Stable: of one key, what was expected stays before what was found.
        lines.sort_by_key(|(key, _)| *key);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// The same set as [`show_attributes`] shows it.
    pub(crate) fn show(&self) -> String {
        show_set(self.0.iter().map(|(key, value)| format!("{key} = {value}")))
    }

    /// One line for each attribute.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, value)| format!("attribute {key} = {value}"))
    }

    fn count_missing(&self, found: &[KeyValue]) -> usize {
        let is_missing = |(at, (key, value)): &(usize, &(&str, ExpectedValue))| {
            // At its own place first: what was written down in order mostly came in order.
            !(found.get(*at).is_some_and(|other| value.is_for(key, other))
                || found.iter().any(|other| value.is_for(key, other)))
        };
        self.0.iter().enumerate().filter(is_missing).count()
    }
}

pub(crate) fn show_attributes<'a>(found: impl IntoIterator<Item = &'a KeyValue>) -> String {
    show_set(
        found
            .into_iter()
            .map(|KeyValue { key, value, .. }| format!("{key} = {}", show_value(value))),
    )
}

/// A value as a test would write it, so that `3` and `"3"` are seen to differ.
pub(crate) fn show_value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.as_str()),
        Value::F64(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

fn show_set(pairs: impl Iterator<Item = String>) -> String {
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort_unstable();
    format!("{{{}}}", pairs.join(", "))
}

impl ExpectedValue {
    fn is_for(&self, key: &str, found: &KeyValue) -> bool {
        found.key.as_str() == key && self.0.as_ref().is_none_or(|value| *value == found.value)
    }
}

impl std::fmt::Display for ExpectedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.as_ref().map_or(Cow::Borrowed("any"), |value| show_value(value).into()))
    }
}

macro_rules! exactly {
    ($($from:ty => $to:expr),+ $(,)?) => {$(
        impl From<$from> for ExpectedValue {
            fn from(value: $from) -> Self {
                let exactly: fn($from) -> Value = $to;
                Self(Some(exactly(value)))
            }
        }
    )+};
}

exactly! {
    Value => |value| value,
    StringValue => Value::String,
    &'static str => Value::from,
    String => Value::from,
    Cow<'static, str> => Value::from,
    Arc<str> => Value::from,
    bool => Value::Bool,
    f64 => Value::F64,
    i64 => Value::I64,
    // What an unsuffixed number is, and what ports and partitions are.
    i32 => |value| Value::I64(value.into()),
    u16 => |value| Value::I64(value.into()),
    u32 => |value| Value::I64(value.into()),
    Array => Value::Array,
    Vec<&'static str> => |values| {
        Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> [KeyValue; 2] {
        [KeyValue::new("system", "kafka"), KeyValue::new("offset", 3)]
    }

    #[test]
    fn a_set_has_no_order() {
        assert_attributes(&found(), [("offset", 3.into()), ("system", "kafka".into())]);
        assert_attributes(&found(), [("system", "kafka".into()), ("offset", any())]);
        assert_attributes(&[], []);
    }

    #[test]
    #[should_panic(expected = "attributes differ:\n  - attribute offset = any")]
    fn any_value_must_exist() {
        assert_attributes(&found()[..1], [("system", "kafka".into()), ("offset", any())]);
    }

    #[test]
    fn every_difference_has_its_line() {
        let mut twice = found().to_vec();
        twice.push(KeyValue::new("system", "kafka"));
        let expected = Attributes::from_pairs([
            ("system", "kafka".into()),
            ("offset", "3".into()),
            ("batch", vec!["a", "b"].into()),
        ]);
        assert_eq!(
            expected.differences(&twice),
            [
                r#"- attribute batch = ["a","b"]"#,
                r#"- attribute offset = "3""#,
                "+ attribute offset = 3",
                r#"+ attribute system = "kafka""#,
            ]
        );
        assert!(!expected.match_all(&twice));
    }

    #[test]
    fn a_key_that_comes_twice_is_no_set() {
        let once = Attributes::from_pairs([("system", "kafka".into())]);
        let twice = [KeyValue::new("system", "kafka"), KeyValue::new("system", "kafka")];
        assert!(!once.match_all(&twice));
        assert_eq!(once.distance(&twice), 1);
    }

    #[test]
    fn distance_counts_what_differs() {
        let expected = Attributes::from_pairs([("system", "kafka".into()), ("offset", 4.into())]);
        assert_eq!(expected.distance(&found()), 1);
        assert_eq!(expected.distance(&found()[..1]), 1);
        assert_eq!(expected.distance(&[]), 2);
        assert_eq!(Attributes::default().distance(&found()), 2);
    }

    #[test]
    #[should_panic(expected = "attribute system is expected twice")]
    fn a_key_is_expected_once() {
        Attributes::from_pairs([("system", "kafka".into()), ("system", any())]);
    }

    #[test]
    fn numbers_and_text_are_not_the_same() {
        let number = Attributes::from_pairs([("value", 1.into())]);
        assert!(number.match_all(&[KeyValue::new("value", 1)]));
        assert!(!number.match_all(&[KeyValue::new("value", "1")]));
        assert!(!number.match_all(&[KeyValue::new("value", 1.0)]));
        let float = Attributes::from_pairs([("value", 1.0.into())]);
        assert_eq!(float.show(), "{value = 1.0}");
        let port = Attributes::from_pairs([("value", 9092_u16.into())]);
        assert!(port.match_all(&[KeyValue::new("value", 9092)]));
    }
}
