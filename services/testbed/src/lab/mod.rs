//! The whole phone on one PC: a private bus, the services under a supervisor that treats them as systemd would, and the lab
//! exchange. It must not decide anything for a service: what a service does here, it does on the device.

mod bus;
mod error;
mod fd_store;
mod folders;
mod launch;
mod log;
mod notify;
mod options;
mod ports;
mod preset;
mod routes;
mod sound;
mod status;
mod supervisor;
mod unit;
mod up;
mod users;

pub use bus::{Bus, dbus_daemon, write_policy};
pub use error::LabError;
pub use launch::{ExecArguments, Program, exec};
pub use options::{Options, Place};
pub use status::Status;
pub use supervisor::{Pids, StartFailure, Supervisor};
pub use unit::{UnitSpec, UnitState};
pub use up::up;
pub use users::{Identity, Isolation, write_databases};
