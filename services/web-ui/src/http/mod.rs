//! HTTP: connections, who may come in, pages and forms, the live stream. Decisions are the door's and the catalogue's.

pub mod assets;
mod forms;
pub mod gate;
pub mod import;
pub mod listener;
mod live;
mod respond;
pub mod router;
