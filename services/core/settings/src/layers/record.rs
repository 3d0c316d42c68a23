//! One stored value, as it lies in the store: who set it, from where, and when.

use std::fmt;

use agreements::{Diagnosis, WallTime};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Parameter, parameter};
use crate::value;

/// The format that this version writes. A record with a newer one is put aside, never erased.
pub const FORMAT: u16 = 1;
/// Longest source that is kept.
const SOURCE: usize = 600;

/// Where values come from, highest first (2.5, C60, C66).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layer {
    /// Set in the web interface or on the phone; the newest wins (B109, B110).
    User,
    /// Standard configuration file.
    Standard,
    /// Product configuration file.
    Product,
    /// Master configuration file.
    Master,
    /// Pre-provisioning file.
    PreProvisioning,
    /// Dealer preset: read at start, never stored.
    Dealer,
    /// The catalogue.
    Factory,
}

impl Layer {
    /// All, highest first.
    pub const ALL: [Layer; 7] =
        [Layer::User, Layer::Standard, Layer::Product, Layer::Master, Layer::PreProvisioning, Layer::Dealer, Layer::Factory];
    /// Those that configuration files write.
    pub const FILES: [Layer; 4] = [Layer::Standard, Layer::Product, Layer::Master, Layer::PreProvisioning];

    /// As on the bus: user standard product master pre-provisioning dealer factory.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::User => "user",
            Layer::Standard => "standard",
            Layer::Product => "product",
            Layer::Master => "master",
            Layer::PreProvisioning => "pre-provisioning",
            Layer::Dealer => "dealer",
            Layer::Factory => "factory",
        }
    }

    /// The layer of this name.
    pub fn from_name(name: &str) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| layer.as_str() == name)
    }

    /// Whether its values are records of the store: not those of the dealer preset and of the catalogue.
    pub fn is_stored(self) -> bool {
        !matches!(self, Layer::Dealer | Layer::Factory)
    }

    /// Whether a configuration file writes it.
    pub fn is_file(self) -> bool {
        Layer::FILES.contains(&self)
    }
}

impl From<crate::template::FileKind> for Layer {
    fn from(kind: crate::template::FileKind) -> Layer {
        match kind {
            crate::template::FileKind::Standard => Layer::Standard,
            crate::template::FileKind::Product => Layer::Product,
            crate::template::FileKind::Master => Layer::Master,
        }
    }
}

/// Who changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// A configuration file or preset.
    File,
    /// The web interface.
    Web,
    /// The phone itself.
    Phone,
    /// An administrator at the bus or the command line; may set every row.
    Admin,
    /// The SIP server of a line that keeps the setting as well.
    Server,
}

/// A value with its history.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// In file notation.
    pub value: String,
    /// Who.
    pub origin: Origin,
    /// URL without password, path, "web admin", "phone".
    pub source: String,
    /// Line in the source, 0 where it has none.
    pub line: u32,
    /// When.
    pub time: WallTime,
}

impl Stored {
    pub(crate) fn new(value: &str, origin: Origin, source: &str, line: u32, time: WallTime) -> Stored {
        let source = crate::template::without_password(source).chars().take(SOURCE).filter(|c| !c.is_control()).collect();
        Stored { value: value.to_owned(), origin, source, line, time }
    }

    /// The same value, from the same place.
    pub(crate) fn says_the_same_as(&self, other: &Stored) -> bool {
        (&self.value, self.origin, &self.source, self.line) == (&other.value, other.origin, &other.source, other.line)
    }
}

/// One line of the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`] of the writer.
    pub format: u16,
    /// Never dealer or factory.
    pub layer: Layer,
    /// Canonical name.
    pub name: String,
    /// The value.
    pub stored: Stored,
}

impl Record {
    /// Its key in the store.
    pub fn key(&self) -> String {
        key(self.layer, &self.name)
    }
}

/// The key of a layer's value.
pub fn key(layer: Layer, name: &str) -> String {
    format!("{}/{name}", layer.as_str())
}

// Values may be secrets: only their place is shown.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", self.key())
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({:?} {:?}:{})", self.origin, self.source, self.line)
    }
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Put this record at its key.
    Put(Record),
    /// Remove the key.
    Delete {
        /// Of this layer.
        layer: Layer,
        /// Of this parameter.
        name: String,
    },
}

impl Write {
    /// The key that it writes.
    pub fn key(&self) -> String {
        match self {
            Write::Put(record) => record.key(),
            Write::Delete { layer, name } => key(*layer, name),
        }
    }
}

/// Whether a record can be used: known format, known name (aliases of renamed rows are resolved), legal value.
pub(crate) fn readable(record: &Record) -> Result<Parameter, Diagnosis> {
    use crate::finding::{Detail, error, warning};
    if record.format > FORMAT {
        let reason = format!("a stored value has the format {}, newer than {FORMAT}", record.format);
        return Err(warning("store.newer-format", reason).named(&record.name).suggest("it is kept and not used"));
    }
    let Some(found) = parameter(&record.name).filter(|_| record.layer.is_stored()) else {
        return Err(warning("store.unknown-parameter", "a stored value belongs to no known parameter").named(&record.name));
    };
    match value::check(&found, &record.stored.value) {
        Ok(()) => Ok(found),
        Err(refused) => {
            let reason = format!("a stored value is not legal in this version: {}", refused.reason);
            Err(error("store.illegal-value", reason).named(found.name).suggest(refused.suggestion))
        }
    }
}
