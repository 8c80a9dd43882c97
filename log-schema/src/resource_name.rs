//! The names of resources, and what a name that is nearly one of them may mean.
//!
//! Any word may name a custom resource. So a wrong name for memory would be a resource that no machine has, and a
//! task that asks for it would wait for ever without a word.

/// The resources with a unit.
const NAMES: [&str; 5] = ["cpu", "mem", "disk", "gpu", "ports"];
/// Other words for them, as other systems and people write them.
const WORDS: &[(&str, &str)] = &[
    ("cpus", "cpu"),
    ("core", "cpu"),
    ("cores", "cpu"),
    ("vcpu", "cpu"),
    ("vcpus", "cpu"),
    ("millicpu", "cpu"),
    ("millicores", "cpu"),
    ("processor", "cpu"),
    ("processors", "cpu"),
    ("mems", "mem"),
    ("memory", "mem"),
    ("ram", "mem"),
    ("disc", "disk"),
    ("disks", "disk"),
    ("storage", "disk"),
    ("hdd", "disk"),
    ("gpus", "gpu"),
    ("port", "ports"),
];
/// Words of which a typing error is no other word that names a resource, as `tpu` is beside `cpu`.
const LONG_WORDS: &[(&str, &str)] = &[
    ("mem", "mem"),
    ("disk", "disk"),
    ("memory", "mem"),
    ("processor", "cpu"),
    ("processors", "cpu"),
    ("storage", "disk"),
    ("ports", "ports"),
];
/// What people add to a name to say its unit.
const UNITS: &[&str] = &[
    "b", "bytes", "k", "kb", "kib", "m", "mb", "mi", "mib", "g", "gb", "gi", "gib", "t", "tb", "ti", "tib", "milli",
    "millis", "count", "cores", "limit", "total",
];
/// The longest word that is looked at: nothing longer is near to one of these.
const WORD_BYTES_MAX: usize = 24;

/// The resource that a custom name is most likely meant to be; none where it may well be a name of its own.
///
/// `memory`, `Mem`, `mem_mb`, `cppu` and `memroy` are meant otherwise; `tpu`, `licences` and `gpu-a100` are not.
pub fn meant(name: &str) -> Option<&'static str> {
    if name.len() > WORD_BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    // A unit may come before the word or after it.
    let mut words = name.split(['_', '-']).filter(|word| !word.is_empty());
    let is_one = words.clone().count() == 1;
    let mut named = words.clone().filter(|word| is_one || !UNITS.contains(word));
    let word = match (named.next(), named.next()) {
        (Some(word), None) => word,
        (None, _) => words.next()?,
        (Some(_), Some(_)) => return None,
    };
    let with_unit = |known: &str| word.strip_prefix(known).is_some_and(|unit| UNITS.contains(&unit));
    find(|known| known == word).or_else(|| find(with_unit)).or_else(|| mistyped(word))
}

/// What the first word means for which `is_it` holds.
fn find(is_it: impl Fn(&str) -> bool) -> Option<&'static str> {
    let names = NAMES.iter().map(|name| (*name, *name));
    names.chain(WORDS.iter().copied()).find(|(known, _)| is_it(known)).map(|(_, meant)| meant)
}

fn mistyped(word: &str) -> Option<&'static str> {
    let long = LONG_WORDS.iter().find(|(known, _)| is_one_slip_from(word, known, true)).map(|(_, meant)| *meant);
    // A short name with another letter in it may be another word: `tpu` is no `cpu`.
    long.or_else(|| find(|known| word.len() > 2 && known.len() > 2 && is_one_slip_from(word, known, false)))
}

/// Whether one letter was added, left out, swapped with its neighbour, or, if `replaced` counts, typed wrongly.
fn is_one_slip_from(word: &str, known: &str, replaced: bool) -> bool {
    let (word, known) = (word.as_bytes(), known.as_bytes());
    let same_start = word.iter().zip(known).take_while(|(a, b)| a == b).count();
    let (word, known) = (&word[same_start..], &known[same_start..]);
    match (word, known) {
        ([], [_]) | ([_], []) => true,
        ([_, word @ ..], [_, known @ ..]) if replaced && word == known => true,
        ([a, b, word @ ..], [c, d, known @ ..]) if (a, b) == (d, c) && word == known => true,
        ([_, rest @ ..], known) if rest == known => true,
        (word, [_, rest @ ..]) if rest == word => true,
        _ => false,
    }
}
