//! A node of an answer, with ways to read it that always give text: what is absent is a dash.

use command_log::rfc3339;
use serde_json::Value;

use crate::duration;

/// What stands for something that is not there.
pub(crate) const ABSENT: &str = "-";

/// A node, read by JSON pointers such as `/run/agent`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    now_ms: u64,
}

impl<'a> Node<'a> {
    /// A node that is looked at now.
    pub(crate) fn of(value: &'a Value) -> Self {
        Self::new(value, now_ms())
    }

    /// A node that is looked at then.
    pub(crate) fn new(value: &'a Value, now_ms: u64) -> Self {
        Self { value, now_ms }
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// When it is looked at.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The part of the node that is found there.
    pub(crate) fn at(&self, pointer: &str) -> Self {
        const NOTHING: &Value = &Value::Null;
        Self { value: self.value.pointer(pointer).unwrap_or(NOTHING), now_ms: self.now_ms }
    }

    /// Whether nothing is there.
    pub(crate) fn is_absent(&self, pointer: &str) -> bool {
        self.at(pointer).value.is_null()
    }

    /// The text, if it is there.
    pub(crate) fn find(&self, pointer: &str) -> Option<&'a str> {
        self.value.pointer(pointer)?.as_str()
    }

    /// Text, or a number as text.
    pub(crate) fn text(&self, pointer: &str) -> String {
        match self.at(pointer).value {
            Value::Null => ABSENT.into(),
            Value::String(text) => text.clone(),
            Value::Bool(true) => "yes".into(),
            Value::Bool(false) => "no".into(),
            Value::Array(values) => {
                values.iter().map(|value| Node::new(value, self.now_ms).text("")).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        }
    }

    /// A word of a closed set: `OUT_OF_MEMORY` is `out of memory`.
    pub(crate) fn word(&self, pointer: &str) -> String {
        self.text(pointer).to_ascii_lowercase().replace('_', " ")
    }

    /// A whole number, in either of its forms; 0 where there is none.
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        let found = self.at(pointer).value;
        found.as_u64().or_else(|| found.as_str()?.parse().ok()).unwrap_or(0)
    }

    /// A duration that is given in milliseconds.
    pub(crate) fn millis(&self, pointer: &str) -> String {
        if self.is_absent(pointer) { ABSENT.into() } else { duration::format(self.number(pointer)) }
    }

    /// How long ago a time was.
    pub(crate) fn age(&self, pointer: &str) -> String {
        let then = self.find(pointer).and_then(rfc3339::parse);
        then.map_or_else(|| ABSENT.into(), |then| duration::format(self.now_ms.saturating_sub(then) / 1000 * 1000))
    }

    /// The nodes of an array.
    pub(crate) fn each(&self, pointer: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let now_ms = self.now_ms;
        let values = self.value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(move |value| Node::new(value, now_ms))
    }

    /// Pairs of names and values, as in `zone=north disk=ssd`.
    pub(crate) fn named(&self, pointer: &str) -> String {
        let pairs: Vec<_> =
            self.each(pointer).map(|pair| format!("{}={}", pair.text("/name"), pair.text("/value"))).collect();
        if pairs.is_empty() { ABSENT.into() } else { pairs.join(" ") }
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    command_log::wall_clock().0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_is_a_dash() {
        let value = json!({ "agent": null, "n": "17", "list": ["a", 1], "pairs": [{ "name": "a", "value": "b" }] });
        let node = Node::new(&value, 0);
        assert_eq!(
            (node.text("/agent"), node.age("/since"), node.text("/list")),
            ("-".into(), "-".into(), "a 1".into())
        );
        assert_eq!((node.number("/n"), node.named("/pairs")), (17, "a=b".into()));
    }
}
