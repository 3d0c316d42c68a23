//! sip-agent: lines, calls and telephone behaviour; see README.md. A library, so that tests reach what is pure in it: the way
//! from the settings to the stack, the telephone and the media plan, and the look-up of names. Nothing but the tests of the house may
//! depend on it.

mod agent;
mod bus;
pub mod driver;
mod dscp;
mod facts;
mod going_down;
mod hal;
mod journal;
pub mod media;
pub mod resolve;
pub mod settings;
mod snapshot;
mod sockets;
mod streams;
mod writing;
