//! Who waits for a place: jobs in turns, and the shapes of tasks that fit nowhere for now.
//!
//! Tasks that ask for the same under the same constraints have one *shape*: where one of them does
//! not fit, none does. A shape that fitted nowhere is *blocked*, and is looked at again only for the
//! agents on which room for it came up since (`woken`). So a cell that is full costs nothing, and a
//! task that ends finds those that wait for its room without a walk over the queue.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{Resources, job::ConstraintV1};
use serde::{Deserialize, Serialize};

use super::{agents::AgentNo, jobs::JobNo};

/// A shape's number. Numbers are not used again.
pub type ShapeNo = u32;

/// How many tasks one job may place before the next job has its turn.
pub const TASKS_PER_TURN: u32 = 128;

/// A blocked shape with more agents to look at than this is asked of the whole index again.
const WOKEN_MAX: usize = 64;

/// What a task asks for and where it may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// What it needs, ports left out.
    pub resources: Resources,
    /// How many ports it needs.
    pub ports: u16,
    /// Where it may go.
    pub constraints: Vec<ConstraintV1>,
}

/// Whether a shape may fit somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Openness {
    /// Somewhere, for all that is known.
    Open,
    /// On exactly these agents.
    Blocked(BTreeSet<AgentNo>),
}

/// One shape and the jobs that wait with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// What its tasks ask for.
    pub ask: Ask,
    /// How many jobs have it.
    jobs: u32,
    /// Jobs with waiting tasks, by turn.
    waiting: BTreeMap<u64, JobNo>,
    /// Whether it may fit somewhere.
    pub openness: Openness,
}

impl Shape {
    fn may_fit(&self) -> bool {
        match &self.openness {
            Openness::Open => true,
            Openness::Blocked(woken) => !woken.is_empty(),
        }
    }

    /// When it is its turn, if something of it waits and may fit.
    fn turn(&self) -> Option<u64> {
        self.waiting.keys().next().copied().filter(|_| self.may_fit())
    }
}

/// The queue.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queue {
    shapes: BTreeMap<ShapeNo, Shape>,
    /// Shapes whose first job may be placed, by its turn.
    ready: BTreeMap<u64, ShapeNo>,
    blocked: BTreeSet<ShapeNo>,
    next_turn: u64,
    next_shape: ShapeNo,
    #[serde(skip)]
    numbers: BTreeMap<Ask, ShapeNo>,
}

impl Queue {
    /// The number of a shape for one more job.
    pub fn shape_for(&mut self, ask: Ask) -> ShapeNo {
        if let Some(number) = self.numbers.get(&ask) {
            self.shapes.get_mut(number).expect("a numbered shape is there").jobs += 1;
            return *number;
        }
        let number = self.next_shape;
        self.next_shape += 1;
        self.numbers.insert(ask.clone(), number);
        let shape = Shape { ask, jobs: 1, waiting: BTreeMap::new(), openness: Openness::Open };
        self.shapes.insert(number, shape);
        number
    }

    /// One job fewer has this shape.
    pub fn release(&mut self, number: ShapeNo) {
        let shape = self.get_mut(number);
        shape.jobs -= 1;
        if shape.jobs == 0 {
            let shape = self.shapes.remove(&number).expect("seen above");
            assert!(shape.waiting.is_empty(), "a shape that nobody has keeps nobody waiting");
            self.blocked.remove(&number);
            self.numbers.remove(&shape.ask);
        }
    }

    /// A shape.
    pub fn get(&self, number: ShapeNo) -> &Shape {
        self.shapes.get(&number).expect("a shape that is referred to is there")
    }

    /// What the tasks of every shape ask for.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.shapes.values().map(|shape| &shape.ask)
    }

    fn get_mut(&mut self, number: ShapeNo) -> &mut Shape {
        self.shapes.get_mut(&number).expect("a shape that is referred to is there")
    }

    /// Puts a job at the end of the line and returns its turn.
    pub fn enter(&mut self, shape: ShapeNo, job: JobNo) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.change(shape, |shape| {
            shape.waiting.insert(turn, job);
        });
        turn
    }

    /// Takes a job out of the line.
    pub fn leave(&mut self, shape: ShapeNo, turn: u64) {
        self.change(shape, |shape| {
            shape.waiting.remove(&turn).expect("a job that leaves the line was in it");
        });
    }

    /// The job whose turn it is, with its shape.
    pub fn first(&self) -> Option<(JobNo, ShapeNo)> {
        let (turn, shape) = self.ready.first_key_value()?;
        Some((self.get(*shape).waiting[turn], *shape))
    }

    /// Whether somebody waits who may be placed.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The jobs that wait with a shape, in order of turn.
    pub fn waiting_with(&self, shape: ShapeNo) -> impl Iterator<Item = JobNo> {
        self.get(shape).waiting.values().copied()
    }

    /// Whether a task of this shape may fit somewhere, for all that is known.
    pub fn may_fit(&self, shape: ShapeNo) -> bool {
        self.get(shape).may_fit()
    }

    /// Notes that a shape fits nowhere.
    pub fn block(&mut self, number: ShapeNo) {
        self.change(number, |shape| shape.openness = Openness::Blocked(BTreeSet::new()));
        self.blocked.insert(number);
    }

    /// The shapes that fit only on agents whose room was looked at since.
    pub fn blocked(&self) -> impl Iterator<Item = ShapeNo> {
        self.blocked.iter().copied()
    }

    /// Whether any shape is blocked.
    pub fn has_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Notes which blocked shapes fit on an agent whose room has changed.
    pub fn reconsider_blocked(&mut self, agent: AgentNo, fits: impl Fn(&Ask) -> bool) {
        let changed = |number: &ShapeNo| {
            let shape = self.get(*number);
            let Openness::Blocked(woken) = &shape.openness else { return None };
            let fits = fits(&shape.ask);
            (woken.contains(&agent) != fits).then_some((*number, fits))
        };
        let changed: Vec<_> = self.blocked.iter().filter_map(changed).collect();
        changed.into_iter().for_each(|(number, fits)| self.wake(number, agent, fits));
    }

    /// Notes that a blocked shape fits on an agent now, or fits there no more.
    fn wake(&mut self, number: ShapeNo, agent: AgentNo, fits: bool) {
        let Openness::Blocked(woken) = &self.get(number).openness else { return };
        let overflows = fits && woken.len() == WOKEN_MAX;
        self.change(number, |shape| match &mut shape.openness {
            Openness::Blocked(_) if overflows => shape.openness = Openness::Open,
            Openness::Blocked(woken) if fits => drop(woken.insert(agent)),
            Openness::Blocked(woken) => drop(woken.remove(&agent)),
            Openness::Open => {}
        });
        if overflows {
            self.blocked.remove(&number);
        }
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        self.numbers = self.shapes.iter().map(|(number, shape)| (shape.ask.clone(), *number)).collect();
    }

    /// Changes a shape and keeps `ready` true.
    fn change(&mut self, number: ShapeNo, change: impl FnOnce(&mut Shape)) {
        let shape = self.shapes.get_mut(&number).expect("a shape that is referred to is there");
        let before = shape.turn();
        change(shape);
        let after = shape.turn();
        if before != after {
            before.map(|turn| self.ready.remove(&turn));
            after.map(|turn| self.ready.insert(turn, number));
        }
    }
}
