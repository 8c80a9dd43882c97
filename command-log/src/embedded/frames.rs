//! A look at the frames of RocksDB's own logs (WAL and manifest) before RocksDB reads them.
//!
//! RocksDB 11.8 reads on for ever where the type of a frame says "recycled" and the file is not:
//! `log::Reader::ReadPhysicalRecord` then returns `kBadRecord` without moving on, and `ReadRecord`
//! asks again. One flipped bit in a frame's type does it, and a start that never ends is worse than
//! one that refuses. This log never recycles files, so such a frame is damage; nothing else is judged
//! here.
//!
//! ```text
//! block of 32 KiB   │ crc32c 4 │ length 2 │ type 1 │ payload … │ crc32c 4 │ …      little-endian
//! ```

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::Error;

const BLOCK_BYTES: usize = 32 * 1024;
const HEAD_BYTES: usize = 7;
/// The types of frames that only a recycled file has.
const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// Refuses the store in `dir` if one of its logs has a frame that RocksDB would never get past.
pub(super) fn inspect(dir: &Path) -> Result<(), Error> {
    let error = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    for path in logs(dir).map_err(error("list", dir))? {
        let found = File::open(&path).and_then(endless_frame).map_err(error("read", &path))?;
        if let Some((at_byte, kind)) = found {
            return Err(Error::StoreDamaged { path, at_byte, kind });
        }
    }
    Ok(())
}

fn logs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_wal = path.extension().is_some_and(|extension| extension == "log");
        if is_wal || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST-")) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The first frame with a recycled type that follows another frame, and that type.
fn endless_frame(mut file: File) -> io::Result<Option<(u64, u8)>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let (mut block_at, mut first) = (0, true);
    loop {
        block.clear();
        file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if let Some((at, kind)) = endless_frame_of(&block, &mut first) {
            return Ok(Some((block_at + at as u64, kind)));
        }
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        block_at += block.len() as u64;
    }
}

/// Goes through a block as RocksDB does: what does not check out ends it.
fn endless_frame_of(block: &[u8], first: &mut bool) -> Option<(usize, u8)> {
    let mut at = 0;
    while let Some(head) = block.get(at..at + HEAD_BYTES) {
        let kind = head[6];
        if RECYCLED.contains(&kind) {
            // Checksums cost more than all the rest, and hardly ever matter: they come last.
            return (!*first && check_out(&block[..at])).then_some((at, kind));
        }
        *first = false;
        at += HEAD_BYTES + length(head);
    }
    None
}

/// Whether RocksDB would get past these frames, rather than drop the block at one of them.
fn check_out(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_first_chunk::<HEAD_BYTES>() {
        let (payload, after) = rest.split_at(length(head));
        if masked(crc32c(&[&head[6..], payload].concat())) != u32::from_le_bytes([head[0], head[1], head[2], head[3]]) {
            return false;
        }
        frames = after;
    }
    true
}

fn length(head: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([head[4], head[5]]))
}

/// RocksDB stores checksums so that a checksum over checksums is a good one.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| TABLE[(crc.to_le_bytes()[0] ^ byte) as usize] ^ (crc >> 8))
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let (mut table, mut n) = ([0; 256], 0);
    while n < 256 {
        let (mut crc, mut bit) = (n, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[n as usize] = crc;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let covered: Vec<u8> = [&[kind], payload].concat();
        let length = u16::try_from(payload.len()).expect("short");
        [&masked(crc32c(&covered)).to_le_bytes()[..], &length.to_le_bytes(), &covered].concat()
    }

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn only_a_recycled_type_after_another_frame_is_refused() {
        let plain = frame(1, b"one");
        assert_eq!(endless_frame_of(&[plain.clone(), frame(1, b"two")].concat(), &mut true), None);
        assert_eq!(endless_frame_of(&[plain.clone(), frame(5, b"two")].concat(), &mut true), Some((10, 5)));
        assert_eq!(endless_frame_of(&frame(5, b"one"), &mut true), None);
        assert_eq!(endless_frame_of(&frame(5, b"one"), &mut false), Some((0, 5)));
    }

    #[test]
    fn what_does_not_check_out_ends_the_block() {
        let mut broken = frame(1, b"one");
        broken[8] ^= 1;
        assert_eq!(endless_frame_of(&[broken, frame(5, b"two")].concat(), &mut true), None);
        assert_eq!(endless_frame_of(&[0; 100], &mut true), None);
    }
}
