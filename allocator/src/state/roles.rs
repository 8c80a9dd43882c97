//! The roles: weights, and what the tasks and offers of each hold.

use std::collections::BTreeMap;

use log_schema::{Resources, RoleName};
use serde::{Deserialize, Serialize};

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

/// Every role that was set or used.
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

    /// The role with this name, to change.
    pub fn get_mut(&mut self, name: &RoleName) -> &mut Role {
        if !self.0.contains_key(name) {
            self.0.insert(name.clone(), Self::unnamed());
        }
        self.0.get_mut(name).expect("inserted above")
    }

    /// The role with this name, if it was set or used.
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
