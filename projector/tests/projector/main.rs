//! Stories about projections: what rows say after events, as of any offset, and after a crash.
//!
//! A story is lines of text; each line is one command and the decision that answers it, its parts
//! parted by `;` are the events. The first command is at offset 0, its decision at 1, and so on: line
//! `n`, counted from 0, is decided at `2 * n + 1`.

mod as_of;
#[allow(dead_code, reason = "its `main` is for `cargo run`")]
#[path = "../../examples/bench_project.rs"]
mod bench_project;
mod crash;
mod facts;
mod history;
mod paging;
mod random;
mod rows;
mod tasks;
mod whole;

#[test]
fn the_bench_finds_one_answer_however_it_folds() {
    bench_project::run(1_000, 3);
}
