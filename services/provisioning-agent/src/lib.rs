//! The owner of the settings: store, layers, snapshots and changes for the other services, and provisioning from files. A
//! library so that the service, its sandboxed child and their tests share one set of types; nothing else links it.

pub mod arguments;
pub mod bus;
pub mod chronicle;
pub mod clearing;
pub mod command;
pub mod driver;
pub mod ledger;
pub mod presets;
pub mod provisioning;
pub mod runs;
pub mod service;

mod history;
mod records;
mod unit;
