//! What tests and people need around the phone: the lab that runs it on a PC, the exchange it registers with, a private bus for
//! the tests of one crate, tones and how to find them in a recording, and the bus policy. Never part of the image.

pub mod exchange;
pub mod house;
pub mod lab;
pub mod open_bus;
pub mod policy;
pub mod tones;
