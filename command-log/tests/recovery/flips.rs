//! Single bits change, in every file that the log keeps.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
};

use crate::image::{Image, Outcome, Subject, runtime, scratch};

const WORKERS: usize = 4;

/// An image with records in sorted files and in the WAL.
fn sorted_and_not() -> Image {
    let mut subject = Subject::new(64 * 1024);
    subject.append(330);
    subject.sorted_image()
}

#[test]
fn a_flipped_bit_in_the_wal_or_the_watermark_never_goes_unseen() {
    let image = sorted_and_not();
    for (name, step) in [(image.wal(), 13), (PathBuf::from("acked"), 89)] {
        let outcomes = flip(&image, &name, step);
        assert!(outcomes.keys().all(|outcome| !outcome.starts_with("read")), "{}: {outcomes:?}", name.display());
        assert!(outcomes.contains_key("served"), "{}: {outcomes:?}", name.display());
    }
}

#[test]
fn a_flipped_bit_in_a_sorted_file_is_seen_by_start_up_or_by_the_reader() {
    let image = sorted_and_not();
    let outcomes = flip(&image, &image.named(".sst")[0], 61);
    assert!(outcomes.keys().any(|outcome| *outcome != "served"), "no flip was noticed: {outcomes:?}");
}

#[test]
fn a_flipped_bit_in_what_rocksdb_keeps_for_itself_never_goes_unseen() {
    let image = sorted_and_not();
    for name in ["MANIFEST", "CURRENT", "IDENTITY"] {
        let name = &image.named(name)[0];
        let step = image.bytes(name).len() / 300 + 1;
        flip(&image, name, step);
    }
}

#[test]
fn a_frame_that_rocksdb_would_never_get_past_is_refused() {
    let image = sorted_and_not();
    for name in [image.wal(), image.named("MANIFEST")[0].clone()] {
        let mut bytes = image.bytes(&name).to_vec();
        let second = 7 + usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
        bytes[second + 6] ^= 1 << 2;
        let outcome = image.clone().with(&name, bytes).reopen();
        assert_eq!(outcome.code(), "store_damaged", "{}", name.display());
    }
}

/// Flips one bit at every `step`-th byte of a file, opens each, and counts the outcomes. Silence panics.
fn flip(image: &Image, name: &Path, step: usize) -> BTreeMap<&'static str, usize> {
    let workers = |n| move || flip_part(image, name, n * step, WORKERS * step);
    let parts = thread::scope(|scope| {
        let running: Vec<_> = (0..WORKERS).map(|n| scope.spawn(workers(n))).collect();
        running.into_iter().map(|worker| worker.join().expect("no worker found silence")).collect::<Vec<_>>()
    });
    let mut outcomes = BTreeMap::new();
    parts.into_iter().flatten().for_each(|outcome| *outcomes.entry(outcome).or_default() += 1);
    outcomes
}

fn flip_part(image: &Image, name: &Path, start: usize, step: usize) -> Vec<&'static str> {
    let (dir, runtime) = (scratch(), runtime());
    let place = dir.path().join("log");
    let positions = (start..image.bytes(name).len()).step_by(step);
    let outcome = |at: usize| {
        let mut bytes = image.bytes(name).to_vec();
        bytes[at] ^= 1 << (at % 8);
        image.clone().with(name, bytes).restore(&place);
        match image.judge(&place, &runtime) {
            Outcome::Served => "served",
            Outcome::Refused(error) => said(&error),
            Outcome::ReadRefused(error) => {
                said(&error);
                "read refused"
            }
        }
    };
    positions.map(outcome).collect()
}

/// The code of an error, which must have words too.
fn said(error: &command_log::Error) -> &'static str {
    assert!(error.to_string().len() > 10, "{error:?}");
    error.code()
}
