//! The web interface: HTTP, sessions, pages.
pub mod login;
