//! The web interface of the phone: the web port, sessions, pages, settings forms. A library so that its router can be tested with a
//! fake settings owner; the program is `main.rs`.

pub mod backend;
pub mod bus;
pub mod desk;
pub mod driver;
pub mod facts;
pub mod form;
pub mod http;
pub mod importing;
pub mod login;
pub mod menu;
pub mod pages;
pub mod port;
pub mod saved;
pub mod values;
