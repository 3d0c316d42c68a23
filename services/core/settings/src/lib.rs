//! The settings of the phone: what parameters there are, what values they may have, how files are read, and which of several
//! layers' values is in effect.
//!
//! Pure: no file, socket, clock or store in here. provisioning-agent brings the bytes and the time in and keeps the records;
//! every other service reads through [`View`].

#![allow(clippy::result_large_err, reason = "a refusal is the rare way, and the whole diagnosis is what every caller wants")]

pub mod catalogue;
pub mod container;
pub mod document;
pub mod file;
mod finding;
pub mod layers;
pub mod listing;
pub mod plain;
pub mod row;
pub mod rules;
mod suggest;
pub mod template;
pub mod value;
mod view;
pub mod xml;

pub use catalogue::Parameter;
pub use file::FileOutcome;
pub use layers::{Layer, Layers, Origin, Record};
pub use row::Row;
pub use view::View;
