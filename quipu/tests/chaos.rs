//! Chaos: a cell over real brokers is asked by many clients while its parts are killed and paused at random.
//! Then whatever was acked is compared with the log.
//!
//! ```text
//!   clients ── commands, again under the same key where nobody knows ──▶ gateways ──▶ allocators ──▶ log
//!      │                                                                   ▲              ▲           │
//!      └── journal: one line for each ack, synced before the next command  └─── killer ───┘           │
//!                 └────────────────────────▶ checker ◀────────────────────────────────────────────────┘
//! ```
//! `make test-kafka` runs a minute of it, `make chaos` as much as `QUIPU_CHAOS_*` says (see `plan.rs`).

#[path = "../harness/cell.rs"]
mod cell;
#[path = "chaos/checker.rs"]
mod checker;
#[path = "chaos/clients.rs"]
mod clients;
#[path = "chaos/command.rs"]
mod command;
#[path = "chaos/journal.rs"]
mod journal;
#[path = "chaos/killer.rs"]
mod killer;
#[path = "chaos/machines.rs"]
mod machines;
#[path = "../harness/parts.rs"]
mod parts;
#[path = "chaos/plan.rs"]
mod plan;
#[path = "chaos/started.rs"]
mod started;

use std::{fs::File, path::Path};

use checker::{Report, check};
use clients::Clients;
use command_log::file::FileReader;
use killer::Killer;
use parts::{Parts, number};
use plan::{Chance, Plan};

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn whatever_is_killed_nothing_acked_is_lost_and_nothing_is_decided_or_started_twice() {
    let plan = Plan::of_environment();
    eprintln!("{plan}");
    let mut parts = Parts::start(plan.shape());
    machines::join(&parts);
    let clients = Clients::start(&parts, &plan);
    let mut killer = Killer::new(Chance::new(plan.seed));
    while !plan.is_done(killer.kills(), clients.acked()) {
        killer.strike(&mut parts);
    }
    parts.restart_all();
    let told = clients.finish();
    started::assert_each_started_once(&parts, &told);
    parts.stop();

    let report = assert_checked(&parts, &told);
    println!("chaos for {} s, seed {}\n{killer}{told}{report}", plan.elapsed_s(), plan.seed);
    assert!(report.acked > 0 && killer.kills() > 0, "nothing happened");
}

/// Compares the journals with the log: by the checker, which reads an export of it, and by the audit.
fn assert_checked(parts: &Parts, told: &clients::Told) -> Report {
    let audit = parts.assert_audited();
    let file = parts.path("all.qlog");
    parts.quipu(&["log", "export", "--log", &parts.log(), &file]);
    let records = FileReader::open(Path::new(&file)).expect("a whole file").map(|stored| stored.expect("a whole file"));
    let report =
        check(records, told.journals.iter().flat_map(|path| journal::read(File::open(path).expect("written"))));
    keep(&parts.path(""), &report);
    assert!(report.faults.is_empty(), "{report}");
    assert_eq!(told.acked, report.acked, "every line of every journal was compared");
    let counted = [report.counts.epochs_void, report.counts.decisions_void, report.counts.decisions_duplicate];
    assert_eq!(["epochs_void", "decisions_void", "decisions_duplicate"].map(|name| number(&audit[name])), counted);
    report
}

/// Keeps journals and log where a person can look at them, if something is wrong.
fn keep(directory: &str, report: &Report) {
    if let Some(to) = std::env::var_os("QUIPU_CHAOS_KEEP").filter(|_| !report.faults.is_empty()) {
        let copied = std::process::Command::new("cp").arg("-r").arg(directory).arg(&to).status();
        eprintln!("journals and log are in {}: {copied:?}", to.display());
    }
}
