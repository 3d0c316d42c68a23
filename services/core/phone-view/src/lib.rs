//! What a screen shows of the phone, folded from the facts that the services publish on the bus.
//!
//! Pure: it knows neither the bus nor a clock. Whoever listens to the bus turns what it hears into [`Fact`]s, in the order in
//! which they came, and asks the [`PhoneView`] for screens. Both user interfaces use it, so that they never disagree.
//!
//! It must not guess: a fact that nobody published is unknown, and a screen says so.

mod calls;
mod facts;
mod fold;
mod status;

pub use calls::{CallState, CallView, Direction, HoldState};
pub use facts::{Fact, Objects, Peer, Properties, Value};
pub use fold::{Folded, PhoneView, Trust};
pub use status::{LineView, NetworkStatus, VersionInformation, VoipStatus};
