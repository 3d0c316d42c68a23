//! The SIP user agent as a state machine: transactions, dialogs, registration, subscriptions, referrals, INVITE sessions with
//! offer/answer, and authentication, over plain data. No socket, clock, thread or randomness in it, so hours of timers, loss and reordering are
//! tested in milliseconds.
//!
//! [`Stack::handle`] takes one [`Input`] with the time, [`Stack::poll`] gives [`Output`]s until [`Output::Wait`].

mod addresses;
mod announced;
mod auth;
mod caller;
mod client;
mod details;
mod dialog;
mod diverted;
mod flows;
mod identity;
mod interface;
mod keep_alive;
mod limits;
mod locate;
mod media;
mod plan;
mod random;
mod receive;
mod referral;
mod registration;
mod serve;
mod servers;
mod session;
mod session_settings;
mod snapshot;
mod stack;
mod stack_settings;
mod streams;
mod subscription;
mod timers;
mod transaction;
mod transport;
mod view;

pub use announced::{Announcement, CallInfo, InfoPurpose};
pub use details::{DiversionHeader, LineDetails};
pub use identity::{AnonymousPart, IdentitySettings};
pub use interface::*;
pub use referral::{ReferProgress, ReferTarget, ReferralId};
pub use snapshot::SNAPSHOT_FORMAT;
pub use stack::{Load, Stack};
pub use subscription::{Appearance, Appearances, SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};
pub use view::{CallStage, CallView, Start};
