//! Sets of TCP and UDP ports, kept as ranges.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most ranges that one set may hold: every other port. So whatever sets are made of legal
/// ones, by union or difference, is legal too, and can be read back.
pub const PORT_RANGES_MAX: usize = 32_768;

/// Text or bytes are not a set of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// A part that is not `PORT` or `FIRST-LAST`.
    #[error("{text:?} is not a port or a range of ports such as 31000-32000")]
    NotARange { text: String },
    /// More than [`PORT_RANGES_MAX`] ranges.
    #[error("more than {PORT_RANGES_MAX} port ranges")]
    TooMany,
}

/// Ports as sorted, disjoint ranges that do not touch. Text form: `31000-32000,40000`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u16, u16)>", into = "Vec<(u16, u16)>")]
pub struct PortRanges(Vec<(u16, u16)>);

impl PortRanges {
    /// Sorts and joins ranges given as `(first, last)`, both included.
    pub fn new(ranges: Vec<(u16, u16)>) -> Result<Self, Error> {
        if let Some((first, last)) = ranges.iter().find(|(first, last)| first > last) {
            return Err(Error::NotARange { text: format!("{first}-{last}") });
        }
        if ranges.len() > PORT_RANGES_MAX {
            return Err(Error::TooMany);
        }
        Ok(Self::join(ranges))
    }

    fn join(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if u32::from(first) <= u32::from(before.1) + 1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// The ranges, in order.
    #[inline]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether there is no port.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ports there are.
    #[inline]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|(first, last)| u32::from(*last) - u32::from(*first) + 1).sum()
    }

    /// Every port, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The lowest `count` ports, or `None` when there are fewer.
    pub fn lowest(&self, count: u32) -> Option<Self> {
        let mut left = count;
        let mut taken = Vec::new();
        for &(first, last) in &self.0 {
            if left == 0 {
                break;
            }
            let here = (u32::from(last) - u32::from(first) + 1).min(left);
            let end = u32::from(first) + here - 1;
            taken.push((first, u16::try_from(end).expect("within the range")));
            left -= here;
        }
        (left == 0).then_some(Self(taken))
    }

    /// Whether every port of `other` is here.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(first, last)| self.0.iter().any(|(a, b)| a <= first && last <= b))
    }

    /// The ports of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::join(self.0.iter().chain(&other.0).copied().collect())
    }

    /// The ports of this set that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut kept = self.0.clone();
        for &(cut_first, cut_last) in &other.0 {
            kept = kept.into_iter().flat_map(|range| cut(range, cut_first, cut_last)).flatten().collect();
        }
        Self(kept)
    }
}

fn cut((first, last): (u16, u16), cut_first: u16, cut_last: u16) -> [Option<(u16, u16)>; 2] {
    if cut_last < first || last < cut_first {
        return [Some((first, last)), None];
    }
    let before = (first < cut_first).then(|| (first, cut_first - 1));
    let after = (cut_last < last).then(|| (cut_last + 1, last));
    [before, after]
}

impl TryFrom<Vec<(u16, u16)>> for PortRanges {
    type Error = Error;
    fn try_from(ranges: Vec<(u16, u16)>) -> Result<Self, Error> {
        Self::new(ranges)
    }
}

impl From<PortRanges> for Vec<(u16, u16)> {
    fn from(ports: PortRanges) -> Self {
        ports.0
    }
}

impl FromStr for PortRanges {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let ranges: Result<Vec<_>, Error> = text.split(',').map(|part| parse_range(part.trim())).collect();
        Self::new(ranges?)
    }
}

fn parse_range(text: &str) -> Result<(u16, u16), Error> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (parse_port(first.trim()), parse_port(last.trim())) {
        (Some(first), Some(last)) => Ok((first, last)),
        _ => Err(Error::NotARange { text: text.into() }),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

impl fmt::Display for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (first, last)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}
