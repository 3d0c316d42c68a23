//! Values that must not reach a log, a bus property, an export or an error text.

use serde::{Deserialize, Serialize};

/// What stands for a secret wherever one is shown. Its length says nothing about the secret's.
pub const MASK: &str = "********";

/// A password or key. Has no `Debug` and no `Display` on purpose: a struct that holds one writes its own `Debug` and shows
/// [`MASK`]. Serialised only into the fd-store snapshot and the settings store, both private to one uid.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }
    /// The value itself, for the one place that needs it (a digest, a wire message of the protocol it belongs to).
    pub fn reveal(&self) -> &str {
        &self.0
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
