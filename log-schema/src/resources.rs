//! What a machine has and a task needs: CPU, memory, disk, GPU, ports and custom scalars.
//!
//! Text form: `cpu=4 mem=8Gi disk=10Gi gpu=0.5 ports=31000-32000 licences=3`. The form of Mesos,
//! `cpus:4;mem:1024;ports:[31000-32000]`, is read too.

use std::{collections::BTreeMap, fmt, str::FromStr};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    ports::{self, PortRanges},
    quantity::{self, MiB, MilliCpu, MilliGpu},
    resource_name,
};

/// The most custom scalars in one set of resources.
pub const CUSTOM_SCALARS_MAX: usize = 64;
/// The longest name of a custom scalar, in bytes.
pub const CUSTOM_NAME_BYTES_MAX: usize = 64;

/// An amount of every kind of resource. Fields that are zero or empty are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU time.
    #[serde(default, skip_serializing_if = "MilliCpu::is_zero")]
    pub cpu: MilliCpu,
    /// Memory.
    #[serde(default, skip_serializing_if = "MiB::is_zero")]
    pub mem: MiB,
    /// Disk space.
    #[serde(default, skip_serializing_if = "MiB::is_zero")]
    pub disk: MiB,
    /// GPU time.
    #[serde(default, skip_serializing_if = "MilliGpu::is_zero")]
    pub gpu: MilliGpu,
    /// Ports by number.
    #[serde(default, skip_serializing_if = "PortRanges::is_empty")]
    pub ports: PortRanges,
    /// Whole units of anything else, by name. No amount is zero.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read_custom")]
    pub custom: BTreeMap<CompactString, u64>,
}

impl Resources {
    /// Only CPU and memory.
    #[inline]
    pub fn of(cpu: MilliCpu, mem: MiB) -> Self {
        Self { cpu, mem, ..Self::default() }
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this much can be taken out of `room`.
    #[inline]
    pub fn fits_in(&self, room: &Self) -> bool {
        self.cpu <= room.cpu
            && self.mem <= room.mem
            && self.disk <= room.disk
            && self.gpu <= room.gpu
            && (self.ports.is_empty() || room.ports.contains_all(&self.ports))
            && self.custom.iter().all(|(name, amount)| room.custom(name) >= *amount)
    }

    /// How much there is of a custom scalar.
    pub fn custom(&self, name: &str) -> u64 {
        self.custom.get(name).copied().unwrap_or(0)
    }

    /// The sum, or `None` where an amount passes the end of its type or a port is in both.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let ports = self.ports.union(&other.ports);
        if ports.count() != self.ports.count() + other.ports.count() {
            return None;
        }
        let mut custom = self.custom.clone();
        for (name, amount) in &other.custom {
            let sum = custom.entry(name.clone()).or_insert(0);
            *sum = sum.checked_add(*amount)?;
        }
        Some(Self {
            cpu: self.cpu.checked_add(other.cpu)?,
            mem: self.mem.checked_add(other.mem)?,
            disk: self.disk.checked_add(other.disk)?,
            gpu: self.gpu.checked_add(other.gpu)?,
            ports,
            custom,
        })
    }

    /// Adds `other` in place. `None`, and nothing has changed, where there is no sum.
    #[inline]
    pub fn try_add(&mut self, other: &Self) -> Option<()> {
        if !other.is_plain() {
            *self = self.checked_add(other)?;
            return Some(());
        }
        let Self { cpu, mem, disk, gpu, ports: _, custom: _ } = self;
        let sums = (
            cpu.checked_add(other.cpu)?,
            mem.checked_add(other.mem)?,
            disk.checked_add(other.disk)?,
            gpu.checked_add(other.gpu)?,
        );
        (*cpu, *mem, *disk, *gpu) = sums;
        Some(())
    }

    /// Takes `other` away in place. `None`, and nothing has changed, where it is not all here.
    #[inline]
    pub fn try_sub(&mut self, other: &Self) -> Option<()> {
        if !other.is_plain() {
            *self = self.checked_sub(other)?;
            return Some(());
        }
        let Self { cpu, mem, disk, gpu, ports: _, custom: _ } = self;
        let left = (
            cpu.checked_sub(other.cpu)?,
            mem.checked_sub(other.mem)?,
            disk.checked_sub(other.disk)?,
            gpu.checked_sub(other.gpu)?,
        );
        (*cpu, *mem, *disk, *gpu) = left;
        Some(())
    }

    /// Whether there are only amounts with a unit.
    #[inline]
    fn is_plain(&self) -> bool {
        self.ports.is_empty() && self.custom.is_empty()
    }

    /// The difference, or `None` where `other` is not all here.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        if !other.fits_in(self) {
            return None;
        }
        let mut custom = self.custom.clone();
        for (name, amount) in &other.custom {
            *custom.entry(name.clone()).or_insert(0) -= amount;
        }
        custom.retain(|_, amount| *amount > 0);
        Some(Self {
            cpu: self.cpu.checked_sub(other.cpu)?,
            mem: self.mem.checked_sub(other.mem)?,
            disk: self.disk.checked_sub(other.disk)?,
            gpu: self.gpu.checked_sub(other.gpu)?,
            ports: self.ports.minus(&other.ports),
            custom,
        })
    }
}

/// Text is not a set of resources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// A part without `=` or `:`.
    #[error("{part:?} is not NAME=AMOUNT, as in cpu=4 mem=8Gi")]
    NotAPair { part: String },
    /// The same name twice.
    #[error("{name:?} is given twice")]
    Twice { name: String },
    /// A custom name that is not a word.
    #[error("{name:?} is not the name of a resource")]
    Name { name: String },
    /// A custom name that is nearly that of a resource with a unit.
    #[error("{name:?} is no resource; is {meant:?} meant?")]
    Meant { name: String, meant: &'static str },
    /// More custom scalars than [`CUSTOM_SCALARS_MAX`].
    #[error("more than {CUSTOM_SCALARS_MAX} custom resources")]
    TooMany,
    /// A bad amount.
    #[error("{name}")]
    Amount { name: String, source: quantity::Error },
    /// Bad ports.
    #[error("ports")]
    Ports { source: ports::Error },
}

impl FromStr for Resources {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut resources = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        for part in split_parts(text) {
            let (name, amount) = part.split_once(['=', ':']).ok_or_else(|| Error::NotAPair { part: part.into() })?;
            let (name, amount) = (name.trim(), amount.trim());
            if !seen.insert(canonical(name).to_owned()) {
                return Err(Error::Twice { name: name.into() });
            }
            set(&mut resources, canonical(name), amount)?;
        }
        Ok(resources)
    }
}

/// Parts are parted by blanks, or by `;` where Mesos's form is used; not inside its brackets.
fn split_parts(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let between = move |c: char| {
        inside = c == '[' || (inside && c != ']');
        !inside && (c == ';' || c.is_whitespace())
    };
    text.split(between).map(str::trim).filter(|part| !part.is_empty())
}

/// The one name of a resource that also goes by Mesos's plural.
fn canonical(name: &str) -> &str {
    match name {
        "cpus" => "cpu",
        "gpus" => "gpu",
        other => other,
    }
}

fn set(resources: &mut Resources, name: &str, amount: &str) -> Result<(), Error> {
    let wrong = |source| Error::Amount { name: name.into(), source };
    match name {
        "cpu" => resources.cpu = amount.parse().map_err(wrong)?,
        "mem" => resources.mem = amount.parse().map_err(wrong)?,
        "disk" => resources.disk = amount.parse().map_err(wrong)?,
        "gpu" => resources.gpu = amount.parse().map_err(wrong)?,
        "ports" => {
            let bare = amount.trim_start_matches('[').trim_end_matches(']');
            resources.ports = bare.parse().map_err(|source| Error::Ports { source })?;
        }
        custom => return set_custom(resources, custom, amount),
    }
    Ok(())
}

fn set_custom(resources: &mut Resources, name: &str, amount: &str) -> Result<(), Error> {
    if !is_custom_name(name) {
        return Err(Error::Name { name: name.into() });
    }
    if let Some(meant) = resource_name::meant(name) {
        return Err(Error::Meant { name: name.into(), meant });
    }
    if resources.custom.len() == CUSTOM_SCALARS_MAX {
        return Err(Error::TooMany);
    }
    let units =
        quantity::digits(amount, amount, "a whole number, as is every amount but those of cpu, mem, disk and gpu")
            .map_err(|source| Error::Amount { name: name.into(), source })?;
    if units > 0 {
        resources.custom.insert(name.into(), units);
    }
    Ok(())
}

/// A word that means none of the resources with a unit, so that text and bytes can say the same.
fn is_custom_name(name: &str) -> bool {
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let taken = matches!(canonical(name), "cpu" | "mem" | "disk" | "gpu" | "ports");
    word && !taken && !name.is_empty() && name.len() <= CUSTOM_NAME_BYTES_MAX
}

/// Bytes may say no more than text: words for names, and no amount of zero. How many there are is
/// not checked here, because a sum of legal sets must be readable.
fn read_custom<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<CompactString, u64>, D::Error> {
    let custom = BTreeMap::<CompactString, u64>::deserialize(from)?;
    match custom.iter().find(|(name, units)| !is_custom_name(name) || **units == 0) {
        Some(_) => Err(serde::de::Error::custom("a custom resource has an illegal name or is zero")),
        None => Ok(custom),
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![format!("cpu={}", self.cpu), format!("mem={}", self.mem)];
        if !self.disk.is_zero() {
            parts.push(format!("disk={}", self.disk));
        }
        if !self.gpu.is_zero() {
            parts.push(format!("gpu={}", self.gpu));
        }
        if !self.ports.is_empty() {
            parts.push(format!("ports={}", self.ports));
        }
        parts.extend(self.custom.iter().map(|(name, units)| format!("{name}={units}")));
        f.write_str(&parts.join(" "))
    }
}
