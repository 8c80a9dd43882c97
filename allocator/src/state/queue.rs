//! Who waits for a place: jobs in turns within their roles, and the shapes of tasks that fit nowhere for now.
//!
//! Which role is next follows from the roles' shares ([`crate::share`]); within a role it is the job that has
//! waited for its turn the longest.
//!
//! Tasks that ask for the same under the same constraints have one *shape*: where one of them does
//! not fit, none does. A shape that fitted nowhere is *blocked*, and is looked at again only for the
//! agents on which room for it came up since (`woken`). So a cell that is full costs nothing, and a
//! task that ends finds those that wait for its room without a walk over the queue.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{Resources, RoleName, job::ConstraintV1};
use serde::{Deserialize, Serialize};

use super::{agents::AgentNo, jobs::JobNo};

/// A shape's number. Numbers are not used again.
pub type ShapeNo = u32;

/// How many tasks one job may place before the next job of its role has its turn, while there is room.
pub const TASKS_PER_TURN: u32 = 128;

/// As [`TASKS_PER_TURN`], for a job that has found no room: places come free one at a time then, and a long
/// turn would take all of them for a long time.
pub const TASKS_PER_TURN_DEFERRED: u32 = 1;

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
    /// Jobs with waiting tasks, by role and turn.
    waiting: BTreeMap<RoleName, BTreeMap<u64, JobNo>>,
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

    /// Whose turn it is first among the jobs of a role, if any of them waits and may fit.
    fn turn(&self, role: &RoleName) -> Option<u64> {
        self.waiting.get(role)?.keys().next().copied().filter(|_| self.may_fit())
    }
}

/// The queue.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queue {
    shapes: BTreeMap<ShapeNo, Shape>,
    /// For each role the shapes of which a job may be placed, by its turn.
    ready: BTreeMap<RoleName, BTreeMap<u64, ShapeNo>>,
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

    /// Puts a job at the end of its role's line and returns its turn.
    pub fn enter(&mut self, shape: ShapeNo, role: &RoleName, job: JobNo) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.change_line(shape, role, |line| {
            line.insert(turn, job);
        });
        turn
    }

    /// Takes a job out of the line.
    pub fn leave(&mut self, shape: ShapeNo, role: &RoleName, turn: u64) {
        self.change_line(shape, role, |line| {
            line.remove(&turn).expect("a job that leaves the line was in it");
        });
    }

    /// The roles of which a job may be placed.
    pub fn ready_roles(&self) -> impl Iterator<Item = &RoleName> {
        self.ready.keys()
    }

    /// The job of a role whose turn it is, with its shape.
    pub fn first_of(&self, role: &RoleName) -> Option<(JobNo, ShapeNo)> {
        let (turn, shape) = self.ready.get(role)?.first_key_value()?;
        Some((self.get(*shape).waiting[role][turn], *shape))
    }

    /// Whether somebody waits who may be placed.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The jobs that wait with a shape.
    pub fn waiting_with(&self, shape: ShapeNo) -> impl Iterator<Item = JobNo> {
        self.get(shape).waiting.values().flat_map(BTreeMap::values).copied()
    }

    /// Whether a task of this shape may fit somewhere, for all that is known.
    pub fn may_fit(&self, shape: ShapeNo) -> bool {
        self.get(shape).may_fit()
    }

    /// Notes that a shape fits nowhere.
    pub fn block(&mut self, number: ShapeNo) {
        self.change_openness(number, |openness| *openness = Openness::Blocked(BTreeSet::new()));
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
        self.change_openness(number, |openness| match openness {
            Openness::Blocked(_) if overflows => *openness = Openness::Open,
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

    /// Changes who of a role waits with a shape, and keeps `ready` true.
    fn change_line(&mut self, number: ShapeNo, role: &RoleName, change: impl FnOnce(&mut BTreeMap<u64, JobNo>)) {
        let shape = self.shapes.get_mut(&number).expect("a shape that is referred to is there");
        let before = shape.turn(role);
        if !shape.waiting.contains_key(role) {
            shape.waiting.insert(role.clone(), BTreeMap::new());
        }
        let line = shape.waiting.get_mut(role).expect("inserted above");
        change(line);
        if line.is_empty() {
            shape.waiting.remove(role);
        }
        let after = shape.turn(role);
        self.change_ready(number, role, before, after);
    }

    /// Changes whether a shape may fit, and keeps `ready` true for every role that has jobs of it.
    fn change_openness(&mut self, number: ShapeNo, change: impl FnOnce(&mut Openness)) {
        let shape = self.shapes.get_mut(&number).expect("a shape that is referred to is there");
        let could_fit = shape.may_fit();
        change(&mut shape.openness);
        let may_fit = shape.may_fit();
        if could_fit == may_fit {
            return;
        }
        let first = |line: &BTreeMap<u64, JobNo>| line.keys().next().copied();
        let turns: Vec<_> = shape.waiting.iter().map(|(role, line)| (role.clone(), first(line))).collect();
        for (role, turn) in turns {
            let (before, after) = if may_fit { (None, turn) } else { (turn, None) };
            self.change_ready(number, &role, before, after);
        }
    }

    fn change_ready(&mut self, shape: ShapeNo, role: &RoleName, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if !self.ready.contains_key(role) {
            self.ready.insert(role.clone(), BTreeMap::new());
        }
        let line = self.ready.get_mut(role).expect("inserted above");
        before.map(|turn| line.remove(&turn));
        after.map(|turn| line.insert(turn, shape));
        if line.is_empty() {
            self.ready.remove(role);
        }
    }
}
