//! Seeded damage to any file of a killed log, for every reader: whoever opens the log gets all that was
//! acked or an error in words, and gets it within a bound.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use command_log::{
    Error, Log,
    embedded::{EmbeddedLog, FrozenLog},
};

use crate::image::{Image, Subject, options, read_acked, runtime, scratch};

const WORKERS: u64 = 4;
/// How many damaged copies each kind of file gets.
const COPIES: u64 = 80;
/// How long one reader may take for a log of a few hundred records; far more than it needs.
const READER_MAX: Duration = Duration::from_secs(60);
/// Two frames' worth of bytes that once kept a reader busy for ever.
const ENDLESS: &[u8] = b"\0\0\0\0\x05\0\x06hello";

/// Numbers that follow from a seed (SplitMix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).expect("below a bound")
    }
}

/// Who opens a log.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// An audit, an export, an archive, a what-if.
    Frozen,
    /// `quipu up` and an import.
    Writer,
}

/// A killed log with sorted files, a write-ahead log, and a last group in the watermark.
fn killed() -> Image {
    let mut subject = Subject::new(64 * 1024);
    subject.append(400);
    subject.sorted_image()
}

#[test]
fn no_reader_passes_a_log_from_which_an_acked_record_is_missing_and_every_one_ends() {
    let image = killed();
    let kinds = [".log", ".sst", "MANIFEST", "CURRENT", "acked"];
    let seeds = |worker: u64| (worker..COPIES * kinds.len() as u64).step_by(usize::try_from(WORKERS).expect("few"));
    let work = |worker| {
        let tries = seeds(worker).map(|seed| {
            let kind = kinds[usize::try_from(seed % kinds.len() as u64).expect("few")];
            try_readers(&image, kind, seed)
        });
        tries.sum::<u64>()
    };
    let refused: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker found silence")).sum()
    });
    let tried = 2 * COPIES * kinds.len() as u64;
    assert!(refused > tried / 4 && refused < tried, "{refused} of {tried} readers refused");
}

#[test]
fn bytes_appended_to_the_write_ahead_log_keep_no_reader_for_ever() {
    let image = killed();
    let wal = image.wal();
    // As a program that ended well leaves it, and as one that was killed does: with and without zeros after the end.
    let written = image.bytes(&wal);
    let end = written.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    for whole in [&written[..end], written] {
        for tail in [ENDLESS, &[0; 7], b"hello", &vec![0xff; 40_000], &[6; 100]] {
            let damaged = image.clone().with(&wal, [whole, tail].concat());
            both_hold(&damaged, &format!("{} bytes after {}", tail.len(), whole.len()));
        }
    }
}

#[test]
fn what_start_up_refuses_every_other_reader_refuses_with_the_same_code() {
    let image = killed();
    let wal = image.wal();
    let first_sorted = image.named(".sst").swap_remove(0);
    let cut = image.bytes(&wal)[..image.bytes(&wal).len() / 4].to_vec();
    let damaged = [
        image.clone().with(&wal, cut),
        image.clone().without(|name| name == wal),
        image.clone().without(|name| name == first_sorted),
        image.clone().without(|name| name == Path::new("acked")),
        image.clone().without(|name| name.starts_with("store")),
    ];
    for (at, damaged) in damaged.iter().enumerate() {
        let codes = [Reader::Frozen, Reader::Writer].map(|reader| code(&judge(damaged, reader, "a refusal")));
        assert_eq!(codes[0], codes[1], "damage {at}");
        assert_ne!(codes[0], "served", "damage {at}");
    }
}

#[test]
fn a_last_group_that_only_the_watermark_has_is_read_by_everybody() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(5);
    let before = subject.image();
    subject.append(1);
    let after = subject.image();
    // Up to where the write-ahead log was whole before the last group came.
    let torn = after.clone().with(&after.wal(), before.bytes(&before.wal()).to_vec());
    for reader in [Reader::Frozen, Reader::Writer] {
        assert_eq!(code(&judge(&torn, reader, "the last group")), "served", "{reader:?}");
    }
}

/// Damages one file by a seed and has every reader look at it; returns how many refused.
fn try_readers(image: &Image, kind: &str, seed: u64) -> u64 {
    let mut draws = Draws(seed);
    let files = image.named(kind);
    let name = &files[draws.below(files.len())];
    let (what, damaged) = damage(image, name, &mut draws);
    both_hold(&damaged, &format!("seed {seed}: {what} {}", name.display()))
}

fn damage(image: &Image, name: &PathBuf, draws: &mut Draws) -> (&'static str, Image) {
    let mut bytes = image.bytes(name).to_vec();
    let at = draws.below(bytes.len());
    let what = match draws.below(6) {
        0 => return ("delete", image.clone().without(|other| other == name)),
        1 => {
            bytes.truncate(at);
            "cut"
        }
        2 => {
            let end = (at + 1 + draws.below(5000)).min(bytes.len());
            bytes[at..end].fill(0);
            "blank a part of"
        }
        3 => {
            bytes.extend_from_slice([ENDLESS, &[0; 20], b"\x01"][draws.below(3)]);
            "append to"
        }
        _ => {
            for _ in 0..=draws.below(4) {
                let at = draws.below(bytes.len());
                bytes[at] ^= 1 << draws.below(8);
            }
            "flip bits of"
        }
    };
    (what, image.clone().with(name, bytes))
}

fn both_hold(image: &Image, what: &str) -> u64 {
    [Reader::Frozen, Reader::Writer].map(|reader| u64::from(judge(image, reader, what).is_err())).iter().sum()
}

fn code(judged: &Result<(), Error>) -> &'static str {
    judged.as_ref().map_or_else(Error::code, |()| "served")
}

/// Opens the image as a reader and reads all that was acked: that, or an error. Panics on anything else.
fn judge(image: &Image, reader: Reader, what: &str) -> Result<(), Error> {
    let dir = scratch();
    let place = dir.path().join("log");
    image.restore(&place);
    let (told, ended) = mpsc::channel();
    let count = image.acked.len();
    // A thread of its own: one that never ends is found, and the test ends without it.
    thread::spawn(move || {
        // Nobody listens after the bound.
        let _ = told.send(runtime().block_on(async {
            let log: Box<dyn Log> = match reader {
                Reader::Frozen => Box::new(FrozenLog::open(&place)?),
                Reader::Writer => Box::new(EmbeddedLog::open(&place, options(64 * 1024))?),
            };
            let high = log.watermarks().await?.high;
            assert!(high.0 >= count as u64, "{count} records were acked, {high} are served");
            read_acked(&*log, count).await
        }));
    });
    let read = ended.recv_timeout(READER_MAX).unwrap_or_else(|_| panic!("{reader:?} never ended: {what}"));
    let read = read.inspect_err(|error| assert!(error.to_string().len() > 10, "{error:?}"))?;
    assert!(read == image.acked, "{reader:?} passed other records than were acked: {what}");
    Ok(())
}
