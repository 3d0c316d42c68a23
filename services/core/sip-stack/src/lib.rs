//! The SIP user agent as a state machine: transactions, dialogs, registration, INVITE sessions with offer/answer, and
//! authentication, over plain data. No socket, clock, thread or randomness in it, so hours of timers, loss and reordering are
//! tested in milliseconds.

mod interface;
mod random;
mod stack;
mod timers;
mod transaction;
mod view;

pub use interface::*;
pub use stack::Stack;
pub use view::{CallStage, CallView, Start};
