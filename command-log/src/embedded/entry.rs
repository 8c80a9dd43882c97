//! How one record lies in the store. Knows no store: bytes in, bytes out.
//!
//! ```text
//! key    offset u64
//! value  crc32 u32 │ kind u16 │ version u16 │ time u64 │ payload …
//! ```
//! All integers are big-endian. The checksum covers the offset and everything after itself, so a good
//! value under another key is as corrupt as a bad value.

use bytes::Bytes;
use log_schema::{Offset, Record, TimeMs};

use crate::{Error, Stored};

/// The bytes of a value before the payload.
pub(super) const HEADER_BYTES: usize = 16;
const CRC_BYTES: usize = 4;

/// The key of the record at this offset.
pub(super) fn key(at: Offset) -> [u8; 8] {
    at.0.to_be_bytes()
}

/// The offset that this key stands for; `after` says in errors where it was found.
pub(super) fn offset(key: &[u8], after: Offset) -> Result<Offset, Error> {
    let bytes = key.try_into().map_err(|_| Error::Malformed { at: after, found: "its key is not an offset" })?;
    Ok(Offset(u64::from_be_bytes(bytes)))
}

/// Writes the value of a record into `value`, replacing what was there.
pub(super) fn encode(at: Offset, time: TimeMs, record: &Record, value: &mut Vec<u8>) {
    value.clear();
    value.extend_from_slice(&[0; CRC_BYTES]);
    value.extend_from_slice(&record.kind.to_be_bytes());
    value.extend_from_slice(&record.version.to_be_bytes());
    value.extend_from_slice(&time.0.to_be_bytes());
    value.extend_from_slice(&record.payload);
    let crc = checksum(at, &value[CRC_BYTES..]);
    value[..CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
}

/// Checks a value without copying it, and returns the bytes of its payload.
pub(super) fn check(at: Offset, value: &[u8]) -> Result<&[u8], Error> {
    let Some((expected, rest)) = value.split_first_chunk() else {
        return Err(Error::Malformed { at, found: "it is too short" });
    };
    let (expected, found) = (u32::from_be_bytes(*expected), checksum(at, rest));
    if expected != found {
        return Err(Error::Corrupt { at, expected, found });
    }
    value.get(HEADER_BYTES..).ok_or(Error::Malformed { at, found: "it is too short" })
}

/// Reads a value, after checking it.
pub(super) fn decode(at: Offset, value: &[u8]) -> Result<Stored, Error> {
    let payload = Bytes::copy_from_slice(check(at, value)?);
    let record =
        Record { kind: u16::from_be_bytes(part(value, 4)), version: u16::from_be_bytes(part(value, 6)), payload };
    Ok(Stored { offset: at, time: TimeMs(u64::from_be_bytes(part(value, 8))), record })
}

fn part<const N: usize>(value: &[u8], at: usize) -> [u8; N] {
    value[at..at + N].try_into().expect("the header was found to be whole")
}

fn checksum(at: Offset, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key(at));
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Vec<u8> {
        let mut value = vec![9; 99];
        encode(
            Offset(7),
            TimeMs(1_000),
            &Record { kind: 3, version: 1, payload: Bytes::from_static(b"tick") },
            &mut value,
        );
        value
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let stored = decode(Offset(7), &value()).expect("just written");
        assert_eq!((stored.offset, stored.time), (Offset(7), TimeMs(1_000)));
        assert_eq!((stored.record.kind, stored.record.version, &stored.record.payload[..]), (3, 1, &b"tick"[..]));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let value = value();
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Offset(7), &flipped).is_err(), "bit {bit}");
        }
        assert!((0..value.len()).all(|end| decode(Offset(7), &value[..end]).is_err()));
    }

    #[test]
    fn a_good_value_under_another_offset_is_corrupt() {
        assert_eq!(decode(Offset(8), &value()).unwrap_err().code(), "corrupt");
    }
}
