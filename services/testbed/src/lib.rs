//! What tests and people need around the phone: the virtual net and clock of the pure crates with scripted peers, a person before
//! a telephone in virtual time, a private bus for the tests of one crate, the lab that runs the whole phone on a PC, the exchange
//! it registers with, free ports, tones and how to find them in a recording, and the bus policy. Never part of the image.

pub mod any_values;
pub mod desk;
pub mod exchange;
pub mod house;
pub mod lab;
pub mod open_bus;
pub mod policy;
pub mod ports;
pub mod tones;
pub mod virtual_net;
