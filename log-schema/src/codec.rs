//! MessagePack with field names, in and out. Decoding checks that every byte was used.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

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

/// What most values take; a longer one grows.
const BYTES_EXPECTED: usize = 256;

/// Writes a value as a MessagePack map with field names.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES_EXPECTED);
    rmp_serde::encode::write_named(&mut bytes, value).expect("what the schema can say can be encoded");
    bytes
}

/// Reads a value and makes sure that nothing follows it. `what` names it in errors.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut reader).map_err(|source| Error::Shape { what, source })?;
    // This reader borrows texts rather than copying them, but does not say where it stands: it is
    // at the end exactly when there is nothing more to read.
    match IgnoredAny::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        Ok(_) | Err(_) => Err(Error::Trailing { what, left: left_after::<T>(bytes) }),
    }
}

/// How many bytes follow a value that can be read.
fn left_after<T: DeserializeOwned>(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // It was just read, so this reads it again; what is left is what it did not take.
    let _ = T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest));
    rest.len()
}
