//! The roles: weights, and what the tasks and offers of each hold.

use std::{borrow::Cow, collections::BTreeMap};

use log_schema::{Resources, RoleName};
use serde::{Deserialize, Serialize};

use super::agents::amounts_of;

/// The weight of a role that was never set.
pub const WEIGHT_DEFAULT: u32 = 1;

/// One role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its weight among the roles.
    pub weight: u32,
    /// What its tasks and offers hold, ports left out.
    pub used: Resources,
}

/// Every role that has a weight of its own or holds something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles(BTreeMap<RoleName, Role>);

impl Roles {
    /// A role, as it is without ever having been named.
    fn unnamed() -> Role {
        Role { weight: WEIGHT_DEFAULT, used: Resources::default() }
    }

    /// The role with this name.
    pub fn get(&self, name: &RoleName) -> Role {
        self.0.get(name).cloned().unwrap_or_else(Self::unnamed)
    }

    /// Sets a role's weight.
    pub fn set_weight(&mut self, name: &RoleName, weight: u32) {
        self.get_mut(name).weight = weight;
        self.drop_idle(name);
    }

    /// Adds to or takes from what a role's tasks and offers hold.
    pub fn change(&mut self, name: &RoleName, resources: &Resources, more: bool) {
        change_amounts(&mut self.get_mut(name).used, resources, more);
        if !more {
            self.drop_idle(name);
        }
    }

    fn get_mut(&mut self, name: &RoleName) -> &mut Role {
        if !self.0.contains_key(name) {
            self.0.insert(name.clone(), Self::unnamed());
        }
        self.0.get_mut(name).expect("inserted above")
    }

    /// Forgets a role that is as if it had never been named.
    fn drop_idle(&mut self, name: &RoleName) {
        if self.0.get(name).is_some_and(|role| role.weight == WEIGHT_DEFAULT && role.used.is_empty()) {
            self.0.remove(name);
        }
    }

    /// The role with this name, if it has a weight of its own or holds something.
    pub fn find(&self, name: &RoleName) -> Option<&Role> {
        self.0.get(name)
    }

    /// How many roles there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every role, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&RoleName, &Role)> {
        self.0.iter()
    }
}

/// Adds to or takes from amounts without ports: port numbers of different agents cannot be added.
pub fn change_amounts(held: &mut Resources, by: &Resources, more: bool) {
    let amounts = if by.ports.is_empty() { Cow::Borrowed(by) } else { Cow::Owned(amounts_of(by)) };
    let changed = if more { held.try_add(&amounts) } else { held.try_sub(&amounts) };
    changed.expect("what is used is bounded by what agents have");
}
