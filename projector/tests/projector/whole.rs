//! A projection knows whether it is whole: what was lost or changed on the disk is noticed and built again.

use std::{
    cmp::Ordering,
    fs,
    path::{Path, PathBuf},
};

use log_schema::Offset;
use projector::{Check, Opened, Options, Projector, Slice, Why};
use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options as DbOptions};

use crate::{
    crash::{copy, digest, open},
    history::{Projection, history, small},
    random,
};

/// Eight bytes behind each key of a row.
const VERSION_BYTES: usize = 8;

/// Looks at everything; says what does not add up.
fn check(projector: &Projector) -> Result<Slice, projector::Error> {
    let mut check: Check = projector.views().check()?.expect("something is folded");
    loop {
        match check.slice()? {
            Slice::More => {}
            end => return Ok(end),
        }
    }
}

fn manifest(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_string_lossy().contains("MANIFEST")).expect("there is one")
}

/// Changes what is in a database behind the back of its projector.
fn tamper(dir: &Path, change: impl FnOnce(&DB)) {
    let order = |a: &[u8], b: &[u8]| {
        let ((a, at_a), (b, at_b)) = (a.split_at(a.len() - VERSION_BYTES), b.split_at(b.len() - VERSION_BYTES));
        a.cmp(b).then_with(|| at_b.cmp(at_a))
    };
    let bare = |key: &[u8], is: bool| key[..key.len() - if is { VERSION_BYTES } else { 0 }].to_vec();
    let mut rows = DbOptions::default();
    rows.set_comparator_with_ts(
        "quipu.bytes.offset-be",
        VERSION_BYTES,
        Box::new(order),
        Box::new(|a: &[u8], b: &[u8]| -> Ordering { a.cmp(b) }),
        Box::new(move |a: &[u8], is_a, b: &[u8], is_b| -> Ordering { bare(a, is_a).cmp(&bare(b, is_b)) }),
    );
    let families = [
        ColumnFamilyDescriptor::new("default", DbOptions::default()),
        ColumnFamilyDescriptor::new("rows", rows),
        ColumnFamilyDescriptor::new("facts", DbOptions::default()),
        ColumnFamilyDescriptor::new("meta", DbOptions::default()),
    ];
    let db = DB::open_cf_descriptors(&DbOptions::default(), dir.join("db"), families).expect("a database");
    change(&db);
}

#[test]
fn a_manifest_that_ends_early_never_makes_rows_vanish() {
    let (decided, _) = random::decided(11, 400);
    let mut cell = Projection::empty();
    // Small buffers, so that the manifest tells of several files.
    let options = Options { memory_bytes: 64 * 1024, ..small() };
    cell.projector = {
        drop(cell.projector);
        Projector::open(cell.dir.path(), options.clone()).expect("a projection")
    };
    for batch in decided.chunks(5) {
        cell.projector.fold(batch).expect("a consistent history");
    }
    let whole = digest(&cell.projector);
    let bytes = fs::metadata(manifest(cell.dir.path())).unwrap().len();
    let mut rebuilt = 0;
    for cut in 0..24 {
        let damaged = tempfile::tempdir().expect("a temporary directory");
        copy(cell.dir.path(), damaged.path());
        let manifest = manifest(damaged.path());
        fs::OpenOptions::new().write(true).open(&manifest).unwrap().set_len(bytes * cut / 24).unwrap();
        let mut again = Projector::open(damaged.path(), options.clone()).expect("a projection");
        rebuilt += u32::from(matches!(again.opened(), Opened::Rebuilt(Why::Corrupt { .. })));
        let folded = again.position().map_or(0, |position| {
            decided.iter().position(|decision| decision.offset == position.offset).expect("a decision") + 1
        });
        assert_eq!(digest(&again), digest(&Projection::of(&decided[..folded]).projector), "cut {cut}");
        again.fold(&decided[folded..]).expect("it follows");
        assert_eq!(digest(&again), whole, "cut {cut}");
    }
    assert!(rebuilt > 0, "a cut that loses files is noticed");
}

#[test]
fn what_was_written_adds_up_whatever_is_folded_trimmed_and_opened_again() {
    for seed in 0..6 {
        let (decided, _) = random::decided(seed, 300);
        let mut cell = Projection::empty();
        for (number, batch) in decided.chunks(17).enumerate() {
            cell.projector.fold(batch).expect("a consistent history");
            assert_eq!(check(&cell.projector).expect("it adds up"), Slice::Whole);
            if number % 5 == 4 {
                cell.projector.trim(batch[0].offset).expect("it is folded");
                assert_eq!(check(&cell.projector).expect("it adds up"), Slice::Whole);
                let Projection { dir, projector } = cell;
                drop(projector);
                let projector = open(dir.path());
                assert_eq!(projector.opened(), &Opened::Resumed);
                cell = Projection { dir, projector };
            }
        }
    }
}

#[test]
fn long_histories_are_compared_stretch_by_stretch_from_the_horizon_on() {
    // Two offsets for each line, so that several stretches of 4096 offsets are closed.
    let decided = history(&"tick 1\n".repeat(9_000));
    let (early, late) = (decided[100].offset, decided[8_000].offset);
    let Projection { dir, mut projector } = Projection::of(&decided);
    assert_eq!(check(&projector).expect("it adds up"), Slice::Whole);
    projector.trim(decided[4_500].offset).expect("it is folded");
    assert_eq!(check(&projector).expect("it adds up"), Slice::Whole);
    drop(projector);
    for (offset, is_noticed) in [(early, false), (late, true)] {
        // The key of a decision is its view and its offset.
        tamper(dir.path(), |db| {
            let facts = db.cf_handle("facts").unwrap();
            let of_decision = |key: &[u8]| key.len() == 9 && key[1..] == offset.0.to_be_bytes();
            let keys = db.iterator_cf(facts, IteratorMode::Start).map(|found| found.unwrap().0);
            keys.filter(|key| of_decision(key)).for_each(|key| db.delete_cf(facts, key).unwrap());
        });
        let again = open(dir.path());
        assert_eq!(again.opened(), &Opened::Resumed);
        assert_eq!(check(&again).is_err(), is_noticed, "{offset}");
    }
}

#[test]
fn a_row_that_is_gone_or_changed_is_noticed_at_opening() {
    let (decided, _) = random::decided(4, 200);
    let last = decided.last().expect("some").offset;
    for is_changed in [false, true] {
        let Projection { dir, projector } = Projection::of(&decided);
        drop(projector);
        tamper(dir.path(), |db| {
            let rows = db.cf_handle("rows").unwrap();
            let mut options = rocksdb::ReadOptions::default();
            options.set_timestamp(last.0.to_be_bytes());
            let (key, _) = db.iterator_cf_opt(rows, options, IteratorMode::Start).next().unwrap().unwrap();
            let mut batch = rocksdb::WriteBatch::default();
            if is_changed {
                batch.put_cf_with_ts(rows, &key, last.0.to_be_bytes(), b"other");
            } else {
                batch.delete_cf_with_ts(rows, &key, last.0.to_be_bytes());
            }
            db.write(batch).unwrap();
        });
        let mut again = open(dir.path());
        assert!(matches!(again.opened(), Opened::Rebuilt(Why::Corrupt { .. })), "{:?}", again.opened());
        again.fold(&decided).expect("it begins again");
        assert_eq!(digest(&again), digest(&Projection::of(&decided).projector));
    }
}

#[test]
fn a_fact_or_an_old_version_that_is_gone_is_noticed_while_rows_are_used_and_all_is_built_again() {
    let (decided, _) = random::decided(4, 200);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for family in ["facts", "rows"] {
        let Projection { dir, projector } = Projection::of(&decided);
        drop(projector);
        tamper(dir.path(), |db| {
            let handle = db.cf_handle(family).unwrap();
            if family == "facts" {
                let (key, _) = db.iterator_cf(handle, IteratorMode::Start).nth(3).unwrap().unwrap();
                db.delete_cf(handle, key).unwrap();
                return;
            }
            // A version that was never written, of a row that is over by now.
            let mut batch = rocksdb::WriteBatch::default();
            batch.put_cf_with_ts(handle, b"of another time", decided[3].offset.0.to_be_bytes(), b"other");
            batch.delete_cf_with_ts(handle, b"of another time", decided[4].offset.0.to_be_bytes());
            db.write(batch).unwrap();
        });
        let mut again = open(dir.path());
        assert_eq!(again.opened(), &Opened::Resumed, "rows as they are now are whole");
        let views = again.views();
        let damaged = again.damaged();
        let error = check(&again).expect_err("something is gone");
        assert_eq!(error.code(), "projection_not_whole");
        let detail = runtime.block_on(damaged);
        assert!(detail.contains("not whole"), "{detail}");
        again.rebuild(Why::Corrupt { detail }).expect("another database");
        assert_eq!((views.newest(), views.next()), (Offset(0), Offset(0)));
        again.fold(&decided).expect("it begins again");
        assert_eq!(views.as_of(None).unwrap().digest().unwrap(), Projection::of(&decided).now().digest().unwrap());
        assert_eq!(check(&again).expect("it adds up"), Slice::Whole);
        drop((views, again));
        let again = open(dir.path());
        assert_eq!(again.opened(), &Opened::Resumed, "the database that was built last counts");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the one before is dropped");
    }
}

#[test]
fn a_block_that_cannot_be_read_is_told_to_the_writer() {
    let (decided, _) = random::decided(8, 300);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut projection = Projection::of(&decided);
    let dir = projection.dir.path().to_path_buf();
    drop(projection.projector);
    // Opened and closed, all rows are in files.
    drop(open(&dir));
    projection.projector = open(&dir);
    let before = projection.projector.views().as_of(None).unwrap();
    for entry in fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = fs::read(&entry).unwrap();
            let end = bytes.len() / 3;
            bytes[..end].iter_mut().for_each(|byte| *byte ^= 0x55);
            // In place: the database has the file open.
            fs::write(&entry, bytes).unwrap();
        }
    }
    let damaged = projection.projector.damaged();
    let read = before.digest();
    let checked = check(&projection.projector);
    assert!(read.is_err() || checked.is_err(), "a block is damaged: {read:?} {checked:?}");
    assert!(!runtime.block_on(damaged).is_empty());
}
