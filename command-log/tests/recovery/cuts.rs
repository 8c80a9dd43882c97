//! The WAL ends early, at every byte where it can.

use std::{fs::File, ops::Range, path::Path, thread};

use crate::image::{Image, Outcome, Subject, runtime, scratch};

const LAST_BYTES: usize = 64 * 1024;
const WORKERS: usize = 4;

/// How the cuts of one worker came out.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    refused: usize,
}

#[test]
fn a_wal_cut_at_any_of_its_last_64_kib_is_served_whole_or_refused() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(166);
    let image = subject.image();
    let end = written_end(image.bytes(&image.wal()));
    assert!(end > LAST_BYTES, "the WAL has only {end} bytes");
    let Tally { served, refused } = cut_everywhere(&image, end - LAST_BYTES..end);
    assert_eq!(served + refused, LAST_BYTES);
    // Only the last group is in its slot too; whatever else is cut off is lost, and said to be.
    assert!((100..2000).contains(&served), "{served} cuts were served");
}

#[test]
fn the_last_group_is_restored_from_the_watermark() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(5);
    let before = written_end(subject.image().bytes(&subject.image().wal()));
    subject.append(1);
    let image = subject.image();
    let end = written_end(image.bytes(&image.wal()));
    for cut in [before, before + 1, end - 1] {
        assert_eq!(cut_at(&image, cut).reopen().code(), "served", "cut at {cut} of {before}..{end}");
    }
    assert_eq!(cut_at(&image, before - 1).reopen().code(), "lost");
}

#[test]
fn a_group_too_large_for_its_slot_is_refused_when_it_is_cut() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(10);
    let before = written_end(subject.image().bytes(&subject.image().wal()));
    subject.append_at_once(400);
    let image = subject.image();
    let end = written_end(image.bytes(&image.wal()));
    for cut in (before..end).step_by(1009).chain([end - 1]) {
        assert_eq!(cut_at(&image, cut).reopen().code(), "lost", "cut at {cut} of {end}");
    }
    assert_eq!(image.reopen().code(), "served");
}

#[test]
fn a_torn_write_that_nobody_was_told_of_does_not_stop_the_start() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(30);
    let told = subject.image();
    subject.append(1);
    let torn = subject.image();
    let wal = torn.wal();
    let whole = written_end(told.bytes(&wal))..written_end(torn.bytes(&wal));
    for cut in whole {
        let image = told.clone().with(&wal, torn.bytes(&wal)[..cut].to_vec());
        assert_eq!(image.reopen().code(), "served", "cut at {cut}");
    }
}

#[test]
fn a_refused_start_changes_nothing_and_the_whole_wal_still_opens() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(50);
    let image = subject.image();
    let (dir, runtime, wal) = (scratch(), runtime(), image.wal());
    let place = dir.path().join("log");
    cut_at(&image, 1000).restore(&place);
    for _ in 0..3 {
        assert_eq!(image.judge(&place, &runtime).code(), "lost");
    }
    std::fs::write(place.join(&wal), image.bytes(&wal)).expect("written");
    assert_eq!(image.judge(&place, &runtime).code(), "served");
}

fn cut_at(image: &Image, end: usize) -> Image {
    let wal = image.wal();
    image.clone().with(&wal, image.bytes(&wal)[..end].to_vec())
}

/// Where the bytes that were written end: what follows was only set aside.
fn written_end(wal: &[u8]) -> usize {
    wal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn cut_everywhere(image: &Image, cuts: Range<usize>) -> Tally {
    let each = cuts.len().div_ceil(WORKERS);
    let parts =
        (0..WORKERS).map(|n| (cuts.start + n * each).min(cuts.end)..(cuts.start + (n + 1) * each).min(cuts.end));
    let tallies = thread::scope(|scope| {
        let workers: Vec<_> = parts.map(|part| scope.spawn(|| cut_downwards(image, part))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker found silence")).collect::<Vec<_>>()
    });
    tallies.into_iter().fold(Tally::default(), |sum, tally| Tally {
        served: sum.served + tally.served,
        refused: sum.refused + tally.refused,
    })
}

/// Cuts one copy shorter and shorter. A refusal leaves the copy as it is; after a start it is renewed.
fn cut_downwards(image: &Image, cuts: Range<usize>) -> Tally {
    let (dir, runtime, wal) = (scratch(), runtime(), image.wal());
    let place = dir.path().join("log");
    image.restore(&place);
    let mut tally = Tally::default();
    for cut in cuts.rev() {
        shorten(&place.join(&wal), cut);
        match image.judge(&place, &runtime) {
            Outcome::Served => {
                tally.served += 1;
                image.restore(&place);
            }
            Outcome::Refused(error) => {
                assert_eq!(error.code(), "lost", "cut at {cut}: {error}");
                tally.refused += 1;
            }
            Outcome::ReadRefused(error) => panic!("cut at {cut}: opened, and then {error}"),
        }
    }
    tally
}

fn shorten(file: &Path, bytes: usize) {
    let file = File::options().write(true).open(file).expect("there");
    file.set_len(bytes as u64).expect("shortened");
}
