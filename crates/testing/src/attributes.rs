//! Expected attributes: whole sets, in any order.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
    sync::Arc,
};

use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::difference::difference;

/// The expected value of an attribute: made from the value itself, or by [`any`].
#[derive(Clone, Debug)]
pub struct ExpectedValue(Option<Value>);

/// Expects an attribute with whatever value, such as an offset or a port that the test cannot know.
pub fn any() -> ExpectedValue {
    ExpectedValue(None)
}

/// Asserts that `found` is exactly the `expected` set, in any order.
///
/// # Panics
///
/// If it is not, with the difference; or if an attribute is expected twice.
#[track_caller]
pub fn assert_attributes(
    found: &[KeyValue],
    expected: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
) {
    let expected = Attributes::from_pairs(expected);
    let differences = difference(&expected.lines(), &expected.lines_of(found));
    assert!(differences.is_empty(), "attributes differ (- expected, + found):\n{differences}");
}

/// A set of expected attributes. No key is in it twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pairs: Vec<(&'static str, ExpectedValue)>,
    allows_others: bool,
}

impl Attributes {
    #[track_caller]
    pub(crate) fn from_pairs(
        pairs: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) -> Self {
        let mut attributes = Self::default();
        attributes.extend(pairs);
        attributes
    }

    #[track_caller]
    pub(crate) fn extend(
        &mut self,
        pairs: impl IntoIterator<Item = (&'static str, ExpectedValue)>,
    ) {
        for (key, value) in pairs {
            let is_new = self.pairs.iter().all(|(other, _)| *other != key);
            assert!(is_new, "attribute {key} is expected twice");
            self.pairs.push((key, value));
        }
    }

    /// Ignores attributes whose keys are not in the set.
    pub(crate) fn allow_others(&mut self) {
        self.allows_others = true;
    }

    /// Tells whether `found` is as expected. This is cheaper than a comparison of the lines.
    pub(crate) fn match_all(&self, found: &[KeyValue]) -> bool {
        // Expected keys are distinct, so equal numbers make this one to one.
        (self.allows_others || self.pairs.len() == found.len())
            && self.pairs.iter().all(|(key, value)| found.iter().any(|kv| value.is_for(key, kv)))
    }

    /// Writes one line for each attribute, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.pairs.iter().map(|(key, value)| format!("{key} = {value}"));
        sorted(lines.chain(self.others()))
    }

    /// Writes `found` as [`lines`](Self::lines) would write it: with `any` where any value is
    /// expected, and without the attributes that are ignored.
    pub(crate) fn lines_of(&self, found: &[KeyValue]) -> Vec<String> {
        let lines = found.iter().filter_map(|attribute| {
            match self.pairs.iter().find(|(key, _)| *key == attribute.key.as_str()) {
                Some((key, any @ ExpectedValue(None))) => Some(format!("{key} = {any}")),
                None if self.allows_others => None,
                _ => Some(show_attribute(attribute)),
            }
        });
        sorted(lines.chain(self.others()))
    }

    /// Writes the set as [`show_attributes`] does.
    pub(crate) fn show(&self) -> String {
        format!("{{{}}}", self.lines().join(", "))
    }

    /// Returns the attributes as a span has them, with 7 for any value.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<KeyValue> {
        let values = self.pairs.iter();
        let value = |value: &ExpectedValue| value.0.clone().unwrap_or(Value::I64(7));
        values.map(|(key, expected)| KeyValue::new(*key, value(expected))).collect()
    }

    fn others(&self) -> Option<String> {
        self.allows_others.then(|| "any others".to_owned())
    }
}

/// Writes a set of attributes, sorted.
pub(crate) fn show_attributes<'a>(found: impl IntoIterator<Item = &'a KeyValue>) -> String {
    format!("{{{}}}", sorted(found.into_iter().map(show_attribute)).join(", "))
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    lines
}

fn show_attribute(KeyValue { key, value, .. }: &KeyValue) -> String {
    format!("{key} = {}", show_value(value))
}

/// Writes a value so that no two different values look the same: not `3` and `"3"`, nor `1` and
/// `1.0`.
fn show_value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.as_str()),
        Value::F64(number) => format!("{number:?}"),
        Value::Array(Array::String(texts)) => {
            format!("{:?}", texts.iter().map(StringValue::as_str).collect::<Vec<_>>())
        }
        Value::Array(Array::Bool(values)) => format!("bool {values:?}"),
        Value::Array(Array::I64(values)) => format!("i64 {values:?}"),
        Value::Array(Array::F64(values)) => format!("f64 {values:?}"),
        other => other.to_string(),
    }
}

impl ExpectedValue {
    fn is_for(&self, key: &str, found: &KeyValue) -> bool {
        found.key.as_str() == key && self.0.as_ref().is_none_or(|value| *value == found.value)
    }
}

impl Display for ExpectedValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_ref().map_or_else(|| "any".to_owned(), show_value))
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
    // The type of a number without a suffix, and those of ports and partitions.
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
    #[should_panic(expected = "+ found):\n    - offset = any\n      system = \"kafka\"\n")]
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
            difference(&expected.lines(), &expected.lines_of(&twice)),
            "    - batch = [\"a\", \"b\"]\n    \
                 - offset = \"3\"\n    \
                 + offset = 3\n    \
                 + system = \"kafka\"\n      \
                   system = \"kafka\"\n"
        );
        assert!(!expected.match_all(&twice));
    }

    #[test]
    fn a_key_that_comes_twice_is_no_set() {
        let once = Attributes::from_pairs([("system", "kafka".into())]);
        let twice = [KeyValue::new("system", "kafka"), KeyValue::new("system", "kafka")];
        assert!(!once.match_all(&twice));
        assert_ne!(once.lines(), once.lines_of(&twice));
    }

    #[test]
    fn others_may_be_allowed() {
        let mut some = Attributes::from_pairs([("system", "kafka".into())]);
        some.allow_others();
        assert!(some.match_all(&found()));
        assert_eq!(some.lines(), some.lines_of(&found()));
        some.extend([("offset", 4.into())]);
        assert!(!some.match_all(&found()));
        assert_ne!(some.lines(), some.lines_of(&found()));
    }

    #[test]
    #[should_panic(expected = "attribute system is expected twice")]
    fn a_key_is_expected_once() {
        Attributes::from_pairs([("system", "kafka".into()), ("system", any())]);
    }

    #[test]
    fn values_of_different_types_are_not_the_same() {
        let values = [
            Value::from(1),
            Value::from(1.0),
            Value::from("1"),
            Value::Array(Array::I64(vec![1])),
            Value::Array(Array::F64(vec![1.0])),
            Value::Array(Array::String(vec!["1".into()])),
            Value::Array(Array::String(Vec::new())),
            Value::Array(Array::Bool(Vec::new())),
        ];
        for (at, value) in values.iter().enumerate() {
            let expected = Attributes::from_pairs([("value", value.clone().into())]);
            for (to, other) in values.iter().enumerate() {
                let found = [KeyValue::new("value", other.clone())];
                assert_eq!(expected.match_all(&found), at == to, "{value:?}, {other:?}");
                assert_eq!(expected.lines() == expected.lines_of(&found), at == to, "{value:?}");
            }
        }
        let port = Attributes::from_pairs([("value", 9092_u16.into())]);
        assert!(port.match_all(&[KeyValue::new("value", 9092)]));
    }
}
