//! What is left after a crash, and what is done with a directory that cannot be used.

use std::{fs, path::Path, sync::Arc};

use log_schema::Offset;
use projector::{Contradiction, Decided, Error, Opened, Options, Projector, Why};

use crate::{
    history::{Projection, history, small},
    random,
};

pub(crate) fn open(dir: &Path) -> Projector {
    Projector::open(dir, small()).expect("a projection")
}

pub(crate) fn digest(projector: &Projector) -> String {
    projector.views().as_of(None).unwrap().digest().unwrap().to_string()
}

/// What is in a directory while a projector has it open: what a crash of the process leaves.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn write_ahead_logs(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

#[test]
fn a_projection_goes_on_where_it_stopped() {
    let (decided, _) = random::decided(3, 300);
    let (first, rest) = decided.split_at(decided.len() / 2);
    let Projection { dir, projector } = Projection::of(first);
    let position = projector.position().cloned();
    drop(projector);
    let mut again = open(dir.path());
    assert_eq!((again.opened(), again.position()), (&Opened::Resumed, position.as_ref()));
    let position = position.expect("it was folded");
    let last = first.last().expect("some");
    assert_eq!((position.offset, position.to, position.chain), (last.offset, last.decision.to, last.decision.chain));
    again.fold(rest).expect("it follows");
    assert_eq!(digest(&again), digest(&Projection::of(&decided).projector));
}

#[test]
fn a_torn_tail_makes_it_older_and_never_inconsistent() {
    let (decided, _) = random::decided(5, 200);
    let mut cell = Projection::empty();
    for decision in &decided {
        cell.projector.fold(std::slice::from_ref(decision)).expect("a consistent history");
    }
    let mut offsets = Vec::new();
    for torn in 1..40 {
        let crashed = tempfile::tempdir().expect("a temporary directory");
        copy(cell.dir.path(), crashed.path());
        let log = write_ahead_logs(crashed.path()).pop().expect("there is one");
        let bytes = fs::metadata(&log).unwrap().len();
        fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(bytes * (40 - torn) / 40).unwrap();
        let mut again = open(crashed.path());
        let folded = again.position().map_or(0, |position| {
            decided.iter().position(|decision| decision.offset == position.offset).expect("a decision") + 1
        });
        offsets.push(folded);
        assert_eq!(digest(&again), digest(&Projection::of(&decided[..folded]).projector));
        again.fold(&decided[folded..]).expect("it follows");
        assert_eq!(digest(&again), digest(&cell.projector));
    }
    assert!(offsets.first() > offsets.last() && *offsets.last().expect("some") < decided.len());
}

#[test]
fn other_versions_cells_and_wishes_rebuild_and_say_so() {
    let Projection { dir, projector } = Projection::story("agent a1 cpu=4 mem=8Gi");
    drop(projector);
    let label = dir.path().join("projection");
    let text = fs::read_to_string(&label).expect("a label");
    fs::write(&label, text.replace("\njobs 2\n", "\njobs 0\n")).unwrap();
    let why = |options: Options| match Projector::open(dir.path(), options).expect("it is rebuilt").opened() {
        Opened::Rebuilt(why) => why.clone(),
        other => panic!("it is {other:?}"),
    };
    assert_eq!(why(small()), Why::Label { difference: r#""jobs 0" instead of "jobs 2""#.into() });
    assert_eq!(open(dir.path()).opened(), &Opened::Fresh);
    let other = Options { cell: "other".into(), ..small() };
    assert_eq!(why(other), Why::Label { difference: r#""cell main" instead of "cell other""#.into() });
    assert_eq!(why(Options { rebuild: true, cell: "other".into(), ..small() }), Why::Asked);
}

#[test]
fn a_broken_database_is_rebuilt() {
    let Projection { dir, projector } = Projection::story("agent a1 cpu=4 mem=8Gi");
    drop(projector);
    fs::write(dir.path().join("db/CURRENT"), "nonsense").unwrap();
    let again = open(dir.path());
    assert!(matches!(again.opened(), Opened::Rebuilt(Why::Corrupt { .. })), "{:?}", again.opened());
    assert_eq!(again.position(), None);
}

#[test]
fn a_directory_with_anything_else_in_it_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("letter.txt"), "dear ann").unwrap();
    assert!(matches!(Projector::open(dir.path(), small()), Err(Error::Foreign { .. })));
    assert!(matches!(projector::destroy(dir.path()), Err(Error::Foreign { .. })));
    assert_eq!(fs::read_to_string(dir.path().join("letter.txt")).unwrap(), "dear ann");
}

#[test]
fn a_directory_that_is_open_is_not_opened_twice() {
    let cell = Projection::story("agent a1 cpu=4 mem=8Gi");
    let error = Projector::open(cell.dir.path(), small()).expect_err("it is locked");
    assert_eq!(error.code(), "projection_storage");
    assert_eq!(cell.now().usage().unwrap().agents_up, 1);
}

#[test]
fn decisions_that_do_not_follow_are_refused() {
    let decided = history("tick 1\ntick 2\ntick 3");
    let mut cell = Projection::of(&decided[..1]);
    let gap = cell.projector.fold(&decided[2..]).expect_err("one is missing");
    assert!(matches!(gap, Error::Gap { expected: Offset(1), from: Offset(3), .. }), "{gap}");
    let again = cell.projector.fold(&decided[..1]).expect_err("it was folded");
    assert!(matches!(again, Error::OutOfOrder { .. }), "{again}");
    let shared: Vec<Arc<Decided>> = decided[1..].iter().cloned().map(Arc::new).collect();
    cell.projector.fold(&shared).expect("they follow");
    assert_eq!(cell.views().newest(), Offset(5));
}

#[test]
fn an_impossible_event_stops_the_fold_and_leaves_no_trace() {
    let good = history("agent a1 cpu=4 mem=8Gi\njob db 1 prod cpu=1 mem=64");
    let bad = history("tick 1\ntick 2\nagent a2 cpu=1 mem=1; running db.0");
    let mut cell = Projection::of(&good);
    let before = digest(&cell.projector);
    let error = cell.projector.fold(&bad[2..]).expect_err("db.0 was never placed");
    let Error::Contradiction { at, event, source } = error else { panic!("{error}") };
    assert_eq!((at, event), (Offset(5), "task.status_changed"));
    assert!(matches!(source, Contradiction::Missing { view: "tasks", .. }));
    assert_eq!((digest(&cell.projector), cell.projector.position().unwrap().offset), (before, Offset(3)));
    let next = history("tick 1\ntick 2\nplace db.0 a1 cpu=1 mem=64");
    cell.projector.fold(&next[2..]).expect("the fold goes on");
}

#[test]
fn readers_wait_for_what_they_wrote() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let decided = history("tick 1\ntick 2\ntick 3");
    let mut cell = Projection::of(&decided[..1]);
    let views = cell.views();
    runtime.block_on(async {
        assert_eq!(views.wait_answered(Offset(0)).await.unwrap(), Offset(1));
        let (read, ()) = tokio::join!(views.wait_answered(Offset(2)), async {
            cell.projector.reached(Offset(2));
            cell.projector.fold(&decided[1..2]).map(drop).expect("it follows");
        });
        assert_eq!(read.unwrap(), Offset(3));
        cell.projector.reached(Offset(9));
        assert_eq!(views.wait_for(Offset(8)).await.unwrap(), Offset(9));
        assert_eq!(views.as_of(Some(Offset(9))).unwrap().decision().unwrap().unwrap().at.offset, Offset(3));
        drop(cell.projector);
        assert!(matches!(views.wait_for(Offset(10)).await, Err(Error::Stopped)));
    });
}
