//! A log as its readers judge it: by one reader of the whole, and by readers that resumed at every
//! place where a program of ours would.
//!
//! Everything but the entries follows from them, so two chronicles are the same if their entries are.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
};

use command_log::{
    Stored,
    reader::{Reader, Verdict},
};
use log_schema::{Chain, Offset, Record, TimeMs};

use crate::{
    entry::{self, Entry, LeaderId, Names},
    rule::Rule,
};

/// What is fixed for all readers of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Custom {
    pub rule: Rule,
    pub names: Names,
}

/// What a reader knows when it has read so far.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub epoch: u8,
    /// Whose claim of that epoch counts.
    pub winner: Option<LeaderId>,
    /// Where the next decision must begin.
    pub first_undecided: u8,
}

/// A log, and what its readers made of it.
#[derive(Clone)]
pub struct Chronicle {
    custom: Custom,
    entries: Vec<Entry>,
    stored: Vec<Stored>,
    verdicts: Vec<Arc<Verdict>>,
    /// The chain at each offset.
    chains: Vec<Chain>,
    /// One more than there are entries: before the first one, nobody has led.
    moments: Vec<Moment>,
    whole: Reader,
    resumed: Vec<Reader>,
    halt: Option<&'static str>,
    agreed: bool,
}

impl Chronicle {
    /// An empty log.
    pub fn new(custom: Custom) -> Self {
        Self {
            custom,
            entries: Vec::new(),
            stored: Vec::new(),
            verdicts: Vec::new(),
            chains: Vec::new(),
            moments: vec![Moment { epoch: 0, winner: None, first_undecided: 0 }],
            whole: Reader::new(),
            resumed: Vec::new(),
            halt: None,
            agreed: true,
        }
    }

    /// How many records can be read: all, unless the readers stopped at the last one.
    pub fn readable(&self) -> u8 {
        small(self.verdicts.len() as u64)
    }

    /// What was appended.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Each entry that was judged, with its verdict.
    pub fn judged(&self) -> impl Iterator<Item = (Entry, &Verdict)> {
        self.entries.iter().copied().zip(self.verdicts.iter().map(Arc::as_ref))
    }

    /// The decisions that count, in the order of the log.
    pub fn accepted(&self) -> impl Iterator<Item = Entry> {
        self.judged().filter(|(_, verdict)| matches!(verdict, Verdict::Decision(_))).map(|(entry, _)| entry)
    }

    /// What was known when the records before `next` were read.
    pub fn moment(&self, next: u8) -> Moment {
        self.moments[usize::from(next)]
    }

    /// What is known at the end of the log.
    pub fn now(&self) -> Moment {
        *self.moments.last().expect("there is one before the first entry")
    }

    /// Why the readers stopped, if they did.
    pub fn halt(&self) -> Option<&'static str> {
        self.halt
    }

    /// Whether all readers always said the same.
    pub fn agreed(&self) -> bool {
        self.agreed
    }

    /// The offsets of commands in a range.
    pub fn commands(&self, from: u8, to: u8) -> impl Iterator<Item = u8> {
        (from..=to).filter(|&at| self.entries[usize::from(at)] == Entry::Command)
    }

    /// How leaders of this log are named.
    pub fn names(&self) -> Names {
        self.custom.names
    }

    /// The log with one more record.
    fn then(&self, entry: Entry) -> Self {
        let mut longer = self.clone();
        let stored = Stored { offset: Offset(self.readable().into()), time: TimeMs(0), record: self.record(entry) };
        longer.entries.push(entry);
        longer.stored.push(stored.clone());
        match self.custom.rule.judge(&mut longer.whole, &stored) {
            Ok(verdict) => longer.learn(entry, verdict, &stored),
            Err(halt) => longer.halt = Some(halt.code()),
        }
        longer
    }

    /// The bytes of an entry. A decision's chain is that of the log which its leader read: this one.
    fn record(&self, entry: Entry) -> Record {
        match entry {
            Entry::Command => entry::command(),
            Entry::Claim { epoch, by } => self.custom.names.claim(epoch, by).to_record(),
            Entry::Decision { epoch, from, to, .. } => {
                entry::decision(epoch, from, to, self.chains[usize::from(to)], self.commands(from, to))
            }
        }
    }

    fn learn(&mut self, entry: Entry, verdict: Verdict, stored: &Stored) {
        self.chains.push(self.whole.chain());
        let winner = match (entry, &verdict) {
            (Entry::Claim { by, .. }, Verdict::Epoch(_)) => Some(by),
            _ => self.now().winner,
        };
        let (epoch, first_undecided) = (small(self.whole.epoch().0), small(self.whole.first_undecided().0));
        self.moments.push(Moment { epoch, winner, first_undecided });
        self.let_resumed_readers_judge(&verdict, stored);
        self.resume_here(&verdict);
        self.verdicts.push(Arc::new(verdict));
    }

    fn let_resumed_readers_judge(&mut self, verdict: &Verdict, stored: &Stored) {
        for reader in &mut self.resumed {
            let says = self.custom.rule.judge(reader, stored);
            self.agreed &= says.is_ok_and(|says| is_same(&says, verdict)) && is_same_place(reader, &self.whole);
        }
    }

    /// Readers that begin here: behind a decision that counts, and, as snapshots and projections do,
    /// behind the last offset that was answered, from where some records are read again.
    ///
    /// What they resume with changes at epochs and decisions that count, and nowhere else.
    fn resume_here(&mut self, verdict: &Verdict) {
        let whole = &self.whole;
        if !matches!(verdict, Verdict::Epoch(_) | Verdict::Decision(_)) {
            return;
        }
        let Some(last_to) = whole.last_to() else { return };
        let (behind, answered) = (whole.next(), last_to.next());
        if matches!(verdict, Verdict::Decision(_)) {
            self.resumed.push(Reader::resume(whole.epoch(), Some(last_to), behind, whole.chain()));
        }
        let chain = self.chains[usize::from(small(last_to.0))];
        let mut again = Reader::resume(whole.epoch(), Some(last_to), answered, chain);
        for stored in &self.stored[usize::from(small(answered.0))..] {
            let says = self.custom.rule.judge(&mut again, stored);
            self.agreed &= says.is_ok_and(|says| !matches!(says, Verdict::Epoch(_) | Verdict::Decision(_)));
        }
        self.agreed &= is_same_place(&again, whole);
        self.resumed.push(again);
    }
}

/// Whether two readers say the same. One that resumed cannot compare a repeat with what came before.
fn is_same(resumed: &Verdict, whole: &Verdict) -> bool {
    match (resumed, whole) {
        (
            Verdict::DuplicateDecision { from, to, compared: false },
            Verdict::DuplicateDecision { from: whole_from, to: whole_to, .. },
        ) => (from, to) == (whole_from, whole_to),
        _ => resumed == whole,
    }
}

fn is_same_place(resumed: &Reader, whole: &Reader) -> bool {
    let place = |reader: &Reader| (reader.epoch(), reader.last_to(), reader.next(), reader.chain());
    place(resumed) == place(whole)
}

fn small(number: u64) -> u8 {
    u8::try_from(number).expect("the model's logs are short")
}

impl PartialEq for Chronicle {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Chronicle {}

impl Hash for Chronicle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
    }
}

impl fmt::Debug for Chronicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} halt: {:?} agreed: {}", self.entries, self.halt, self.agreed)
    }
}

/// Every log that was met, so that each is judged once.
#[derive(Debug, Default)]
pub struct Library(Mutex<HashMap<Vec<Entry>, Arc<Chronicle>>>);

impl Library {
    /// The log with one more record.
    pub fn append(&self, log: &Chronicle, entry: Entry) -> Arc<Chronicle> {
        let entries = [log.entries(), &[entry]].concat();
        let mut known = self.0.lock().expect("no holder of the lock panics");
        Arc::clone(known.entry(entries).or_insert_with(|| Arc::new(log.then(entry))))
    }

    /// How many logs were met.
    pub fn len(&self) -> usize {
        self.0.lock().expect("no holder of the lock panics").len()
    }
}
