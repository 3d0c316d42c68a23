//! What a person sees as a phone: hook, keys, digits, tones, ringing, lamps, and calls as they are shown. A state machine over
//! the events of `sip-stack`, over plain data: no socket, clock, bus or sound in it, so every rule is tested in virtual time.
//!
//! It must not speak SIP (that is `sip-stack`) and must not know who shows or plays its wishes (that is sip-agent's driver):
//! sounds, lamps and call views are whole wishes, given again whenever they differ from what was given last.

mod call;
mod desk;
pub mod dial_plan;
mod forwarding;
mod interface;
mod phone;
mod roster;
mod screening;
mod settings;

pub use dial_plan::DialPlan;
pub use forwarding::{Forward, LineFeatures, LineForwarding};
pub use interface::*;
pub use phone::{CALLS_MAX, Phone};
pub use screening::{LineScreening, Screening};
pub use settings::{DisconnectionTone, TelephoneSettings, ToneSettings, Tones};
