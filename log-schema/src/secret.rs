//! What proves which directory an agent works in. It is in no log: only what follows from it is.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{AgentIdentity, Error};

/// How many bytes of the hash are an identity.
const IDENTITY_BYTES: usize = 16;

/// The secret of an agent's directory: made once, by chance, and told to gateways alone.
///
/// Everyone may read an [`AgentIdentity`]. Who could open a link with what everyone may read could end the agent that
/// is meant, so the link takes the secret, from which the identity follows, and not the other way round.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectorySecret(AgentIdentity);

impl DirectorySecret {
    /// Checks text from outside and makes it a secret.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        AgentIdentity::new(text).map(Self)
    }

    /// The text itself, for the one who has to be convinced.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    /// What the cell and its readers know the directory by.
    pub fn identity(&self) -> AgentIdentity {
        let hash = Sha256::digest(self.reveal());
        let digits: String = hash[..IDENTITY_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        AgentIdentity::new(digits).expect("digits and letters are legal")
    }
}

/// Says whose secret it is, and not the secret: errors and traces show whole structs.
impl fmt::Debug for DirectorySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectorySecret(of {})", self.identity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_follows_from_its_secret_and_shows_nothing_of_it() {
        let secret = DirectorySecret::new("0d6ab5c9-71e8-4a0e-b6c8-16a3c98a2f57").expect("legal");
        let other = DirectorySecret::new("d2").expect("legal");
        assert_eq!(secret.identity(), secret.clone().identity());
        assert_ne!(secret.identity(), other.identity());
        assert_eq!(secret.identity().as_str().len(), 2 * IDENTITY_BYTES);
        assert!(!format!("{secret:?}").contains("0d6ab5c9"), "{secret:?}");
        let again = DirectorySecret::new(secret.identity().as_str()).expect("legal");
        assert_ne!(again.identity(), secret.identity(), "who has read an identity has no secret");
    }
}
