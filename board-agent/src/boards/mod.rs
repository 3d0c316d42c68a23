//! One file per device.

use crate::board::{Board, Events};

mod sim;

/// What `--board` takes.
pub const NAMES: &[&str] = &["sim"];

/// Opens a board by its name; none when there is no such board. Boards with real switches send what happens to `events`.
pub fn open(name: &str, _events: Events) -> Option<Box<dyn Board>> {
    match name {
        "sim" => Some(Box::new(sim::Sim::new(service_kit::environment::state_folder()))),
        _ => None,
    }
}
