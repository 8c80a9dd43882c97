//! MessagePack with field names, in and out. Decoding checks that every byte was used.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes are not what their kind and version promise.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// Not MessagePack, or not of this shape. The sentence is ours alone, short and the same in every
    /// year, because a refusal records it: what the library says is in `source`.
    #[error("not a {what}")]
    Shape { what: &'static str, source: rmp_serde::decode::Error },
    /// Bytes after the end of the value.
    #[error("{left} bytes follow the {what}")]
    Trailing { what: &'static str, left: usize },
}

/// Writes a value as a MessagePack map with field names.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("what the schema can say can be encoded")
}

/// Reads a value and makes sure that nothing follows it. `what` names it in errors.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    let mut rest = bytes;
    let value =
        T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).map_err(|source| Error::Shape { what, source })?;
    match rest.len() {
        0 => Ok(value),
        left => Err(Error::Trailing { what, left }),
    }
}
