//! Pieces of a task's output as they come from a gateway, and the place that was read up to.
//!
//! Pure: it says what is to be written and what is missing; `logs` and `run` ask and write.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

/// The exit code of `logs` and `run` if output was lost and nothing else went wrong.
pub(crate) const OUTPUT_LOST: u8 = 74;

/// Why there may be a gap; how it came about is not noted, since there may have been no room for that either.
pub(crate) const NOT_KEPT: &str = "were rotated away before they were read, or could not be written (no room on the \
    agent's disk, or a limit on the size of files)";

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it starts, counted from the first byte of the run.
    pub(crate) offset: u64,
    /// The output.
    pub(crate) bytes: Vec<u8>,
}

/// Output that is not kept: rotated away before it was read, or never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The position of the first byte that is missing.
    pub(crate) from: u64,
    /// The position of the first byte behind the gap.
    pub(crate) to: u64,
}

/// How far an output was read: the position of the next byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u64);

impl Piece {
    /// The piece in the data of `taskLog`.
    pub(crate) fn read(data: &Value) -> anyhow::Result<Self> {
        let piece = &data["taskLog"];
        let offset = piece["offset"].as_str().and_then(|offset| offset.parse().ok());
        let bytes = piece["bytes"].as_str().and_then(|bytes| BASE64.decode(bytes).ok());
        match (offset, bytes) {
            (Some(offset), Some(bytes)) => Ok(Self { offset, bytes }),
            _ => anyhow::bail!("the gateway sent a piece of output that cannot be read"),
        }
    }
}

impl Place {
    /// Moves on behind a piece. Returns what is missing before it; cuts off what was read before.
    pub(crate) fn take(&mut self, piece: &mut Piece) -> Option<Gap> {
        let gap = (piece.offset > self.0).then_some(Gap { from: self.0, to: piece.offset });
        let again = self.0.saturating_sub(piece.offset);
        let again = usize::try_from(again).unwrap_or(usize::MAX).min(piece.bytes.len());
        let end = piece.offset.saturating_add(piece.bytes.len() as u64);
        piece.bytes.drain(..again);
        self.0 = self.0.max(end);
        gap
    }
}

impl Gap {
    /// What a person should know.
    pub(crate) fn notice(self, what: &str, task: &str) -> String {
        let Self { from, to } = self;
        let lost = to - from;
        format!("{lost} bytes of the {what} of {task} are lost: bytes {from} to {to} {NOT_KEPT}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn piece(offset: u64, bytes: &[u8]) -> Piece {
        Piece { offset, bytes: bytes.to_vec() }
    }

    #[test]
    fn bytes_are_bytes() {
        let data = json!({ "taskLog": { "offset": "7", "bytes": "/wD+Cg==" } });
        assert_eq!(Piece::read(&data).expect("legal"), piece(7, &[0xff, 0, 0xfe, b'\n']));
        assert!(Piece::read(&json!({ "taskLog": { "offset": "7", "bytes": "?" } })).is_err());
    }

    #[test]
    fn a_gap_names_both_reasons_that_it_may_have() {
        let notice = Gap { from: 512, to: 2048 }.notice("output", "web.0");
        assert!(notice.starts_with("1536 bytes of the output of web.0 are lost: bytes 512 to 2048 were rotated away"));
        assert!(notice.contains("or could not be written"), "{notice}");
    }

    #[test]
    fn a_gap_is_told_and_what_comes_twice_is_cut_off() {
        let mut place = Place::default();
        assert_eq!(place.take(&mut piece(0, b"abc")), None);
        let mut overlapping = piece(1, b"bcde");
        assert_eq!((place.take(&mut overlapping), overlapping.bytes.as_slice()), (None, b"de".as_slice()));
        assert_eq!(place.take(&mut piece(9, b"x")), Some(Gap { from: 5, to: 9 }));
        let mut old = piece(0, b"abc");
        assert_eq!((place.take(&mut old), old.bytes.len(), place), (None, 0, Place(10)));
    }
}
