//! Dominant resource fairness against published and exact results, through offers.
//!
//! Each user is a role with one framework, which takes one task out of every offer. The vectors are
//! in `../shared/data/drf_vectors` beside the project, and are passed over, aloud, where they are not.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{cell::Cell, story::play_line};

/// An exact instance.
#[derive(Deserialize)]
struct Vector {
    name: String,
    capacity: Vec<u64>,
    demands: Vec<Vec<u64>>,
    weights: Vec<u32>,
    discrete_stop_tasks: Vec<u32>,
    discrete_stop_order: Vec<usize>,
    discrete_skip_tasks: Vec<u32>,
}

/// What a user does when its task does not fit in what it is offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    /// Everybody stops, as in the paper's first algorithm.
    Stop,
    /// That user wants no more, and the others go on.
    Skip,
}

/// Amounts in order of the vectors' dimensions.
fn amounts(of: &[u64]) -> String {
    let units = [("cpu", "m"), ("mem", "Mi"), ("disk", "Mi"), ("gpu", "m")];
    let parts: Vec<_> = of.iter().zip(units).map(|(amount, (name, unit))| format!("{name}={amount}{unit}")).collect();
    parts.join(" ")
}

/// Lets users take tasks from one machine; returns who took one, in order.
fn take_turns(capacity: &[u64], demands: &[Vec<u64>], weights: &[u32], when_full: WhenFull) -> Vec<usize> {
    let mut cell = Cell::new(7);
    for (user, weight) in weights.iter().enumerate() {
        play_line(&mut cell, &format!("role r{user:02} weight={weight}"));
        play_line(&mut cell, &format!("framework f{user:02} role=r{user:02}"));
    }
    play_line(&mut cell, &format!("agent m {}", amounts(capacity)));
    let mut turns = Vec::new();
    while let Some((id, offer)) = cell.state.frameworks.offers.first_key_value() {
        let (id, user) = (*id, offer.framework as usize);
        let room = &offer.resources;
        let free = [room.cpu.0, room.mem.0, room.disk.0, room.gpu.0];
        if demands[user].iter().zip(free).all(|(wanted, free)| *wanted <= free) {
            let task = format!("t{} {}", turns.len(), amounts(&demands[user]));
            play_line(&mut cell, &format!("accept f{user:02} {id}; {task}"));
            turns.push(user);
        } else if when_full == WhenFull::Skip {
            play_line(&mut cell, &format!("suppress f{user:02}"));
        } else {
            break;
        }
    }
    turns
}

fn tasks(turns: &[usize], users: usize) -> Vec<u32> {
    let mut tasks = vec![0; users];
    turns.iter().for_each(|user| tasks[*user] += 1);
    tasks
}

#[test]
fn the_example_of_the_paper_ends_with_three_and_two_tasks() {
    let demands = [vec![1, 4], vec![3, 1]];
    let turns = take_turns(&[9, 18], &demands, &[1, 1], WhenFull::Stop);
    assert_eq!(turns, [0, 1, 0, 1, 0]);
    let tenfold = take_turns(&[90, 180], &demands, &[1, 1], WhenFull::Stop);
    assert_eq!(tasks(&tenfold, 2), [30, 20]);
}

/// Forty-eight machines in which only two of the tasks fit: as much is stranded as the paper says.
#[test]
fn what_does_not_fit_on_a_machine_is_stranded() {
    let mut cell = Cell::new(7);
    play_line(&mut cell, "framework f0 role=r0");
    play_line(&mut cell, "framework f1 role=r1");
    play_line(&mut cell, "48x agent m# cpu=4 mem=15");
    let mut taken = [0_u32; 2];
    while let Some((id, offer)) = cell.state.frameworks.offers.first_key_value() {
        let (id, user, fits) = (*id, offer.framework as usize, offer.resources.mem.0 >= 7);
        if fits {
            let task = taken.iter().sum::<u32>();
            play_line(&mut cell, &format!("accept f{user} {id}; t{task} cpu=1 mem=7"));
            taken[user] += 1;
        } else {
            play_line(&mut cell, &format!("decline f{user} {id} filter=60000"));
        }
    }
    assert_eq!(taken, [48, 48], "46.7 % of memory each, not 50 %");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the vectors are in a file beside the project")]
fn exact_instances_end_as_reckoned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/drf_vectors/drf_vectors_public.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("SKIPPED: there are no DRF vectors at {}", path.display());
        return;
    };
    let vectors: Vec<Vector> = serde_json::from_str(&text).expect("a list of vectors");
    assert_eq!(vectors.len(), 27);
    for vector in vectors {
        let Vector { name, capacity, demands, weights, .. } = &vector;
        let stopped = take_turns(capacity, demands, weights, WhenFull::Stop);
        assert_eq!(tasks(&stopped, demands.len()), vector.discrete_stop_tasks, "{name}");
        assert!(stopped.iter().take(60).eq(vector.discrete_stop_order.iter().take(60)), "{name}: the order");
        let skipped = take_turns(capacity, demands, weights, WhenFull::Skip);
        assert_eq!(tasks(&skipped, demands.len()), vector.discrete_skip_tasks, "{name}");
    }
}
