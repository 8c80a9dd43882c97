//! One entry of the corpus: a value, its bytes, and what can be asked of its type without naming it.

use std::fmt::Debug;

use log_schema::codec;
use rmpv::Value;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    events, records, refusals,
    shapes::Shapes,
    tracer::{self, Path},
};

/// How much of the value is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    /// Every optional field, somewhere in the value.
    Full,
    /// No optional field at all.
    Bare,
}

type Check = Box<dyn Fn(&[u8]) -> Result<(), String>>;
type Trace = Box<dyn Fn(&Value, &mut Shapes) -> Vec<(Path, String)>>;

/// A value of a frozen type.
pub(crate) struct Sample {
    /// `record`, `event` or `refusal`.
    pub(crate) group: &'static str,
    /// The name on the wire.
    pub(crate) name: &'static str,
    /// How much of it is filled.
    pub(crate) fill: Fill,
    /// What the schema writes for it.
    pub(crate) bytes: Vec<u8>,
    equals: Check,
    decodes: Check,
    trace: Trace,
}

impl Sample {
    pub(crate) fn new<T>(group: &'static str, name: &'static str, fill: Fill, value: T) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let bytes = codec::encode(&value);
        let equals: Check = Box::new(move |bytes| match codec::decode::<T>(name, bytes) {
            Ok(read) if read == value => Ok(()),
            Ok(read) => Err(format!("read {read:?}\ninstead of {value:?}")),
            Err(error) => Err(chain(&error)),
        });
        let decodes: Check =
            Box::new(move |bytes| codec::decode::<T>(name, bytes).map(drop).map_err(|error| chain(&error)));
        Self { group, name, fill, bytes, equals, decodes, trace: Box::new(tracer::trace::<T>) }
    }

    /// `event task.placed full`: the title of the entry.
    pub(crate) fn title(&self) -> String {
        format!("{} {} {}", self.group, self.name, format!("{:?}", self.fill).to_lowercase())
    }

    /// The value as a reader that does not know its type sees it.
    pub(crate) fn value(&self) -> Value {
        rmpv::decode::read_value(&mut self.bytes.as_slice()).expect("the schema writes MessagePack")
    }

    /// Whether these bytes read as exactly this value.
    pub(crate) fn equals(&self, bytes: &[u8]) -> Result<(), String> {
        (self.equals)(bytes)
    }

    /// Whether these bytes read as some value of this type.
    pub(crate) fn decodes(&self, bytes: &[u8]) -> Result<(), String> {
        (self.decodes)(bytes)
    }

    /// Notes the shape of every type met while this value is read, and says where each struct was.
    pub(crate) fn trace(&self, shapes: &mut Shapes) -> Vec<(Path, String)> {
        (self.trace)(&self.value(), shapes)
    }
}

/// The sentence of an error and of everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// The whole corpus, in the order of the wire's numbers and lists.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = records::samples();
    samples.extend(events::samples());
    samples.extend(refusals::samples());
    samples
}
