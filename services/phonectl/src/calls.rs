//! Doing something with a call.

use phone_proto::dbus::{CallProxy, Options, PhoneProxy, SIP_NAME};
use phone_proto::errors::ErrorKind;
use serde_json::json;
use zbus::proxy::CacheProperties;
use zbus::{ObjectPath, OwnedObjectPath};

use crate::arguments::Which;
use crate::bus;
use crate::failure::Failure;
use crate::show::Output;
use crate::state::{Call, calls_of};

/// `phonectl call`
pub async fn dial(output: &mut Output, number: &str, line: u8) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let path = phone(&connection).await?.dial(number, line, Options::new()).await.map_err(failed)?;
    made(output, &path)
}

/// `phonectl mailbox`
pub async fn mailbox(output: &mut Output, line: u8) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let path = phone(&connection).await?.call_mailbox(line, Options::new()).await.map_err(failed)?;
    made(output, &path)
}

async fn phone(connection: &zbus::Connection) -> Result<PhoneProxy<'_>, Failure> {
    PhoneProxy::builder(connection).cache_properties(CacheProperties::No).build().await.map_err(failed)
}

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(SIP_NAME, error)
}

fn made(output: &mut Output, path: &OwnedObjectPath) -> Result<(), Failure> {
    let identity = path.as_str().rsplit('/').next().unwrap_or_default();
    output.result(&json!({"call": identity, "path": path.as_str()}), || identity.to_owned())
}

/// `phonectl answer`
pub async fn answer(output: &mut Output, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "rings", |call| call.text("State") == "incoming").await?;
    let outcome = call.proxy().await?.answer(Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl hangup`
pub async fn hangup(output: &mut Output, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "is up", |call| call.text("State") != "ended").await?;
    let outcome = call.proxy().await?.hangup(Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl hold`
pub async fn hold(output: &mut Output, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "can be held", |call| call.text("State") == "talking" && !is_held_here(call)).await?;
    let outcome = call.proxy().await?.hold(Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl resume`
pub async fn resume(output: &mut Output, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "is on hold here", |call| call.text("State") == "talking" && is_held_here(call)).await?;
    let outcome = call.proxy().await?.resume(Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl dtmf`
pub async fn digits(output: &mut Output, digits: &str, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "can take digits", |call| call.text("State") == "talking").await?;
    let outcome = call.proxy().await?.send_digits(digits, Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl flash`
pub async fn flash(output: &mut Output, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "is in conversation", |call| call.text("State") == "talking" && !is_held_here(call)).await?;
    let outcome = call.proxy().await?.send_flash_hook(Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl transfer`
pub async fn transfer(output: &mut Output, number: &str, which: &Which) -> Result<(), Failure> {
    let call = choose(which, "can be transferred", |call| call.text("State") == "talking").await?;
    let outcome = call.proxy().await?.transfer(number, Options::new()).await;
    call.done(output, outcome)
}

/// `phonectl transfer --to-call`
pub async fn transfer_to(output: &mut Output, other: &str, which: &Which) -> Result<(), Failure> {
    let named = Which { call: Some(other.to_owned()) };
    let other = choose(&named, "", |_| true).await?.call;
    let fits = |call: &Call| call.text("State") == "talking" && call.identity != other.identity;
    let call = choose(which, "can be transferred", fits).await?;
    let path = ObjectPath::try_from(other.path.as_str());
    let path = path.map_err(|error| Failure::new(ErrorKind::Internal, format!("{}: {error}", other.path)))?;
    let outcome = call.proxy().await?.transfer_to(&path, Options::new()).await;
    call.done(output, outcome)
}

fn is_held_here(call: &Call) -> bool {
    matches!(call.text("Hold").as_str(), "local" | "both")
}

/// A call on the bus.
struct Chosen {
    connection: zbus::Connection,
    call: Call,
}

impl Chosen {
    async fn proxy(&self) -> Result<CallProxy<'_>, Failure> {
        let builder = CallProxy::builder(&self.connection).path(self.call.path.as_str());
        builder.cache_properties(CacheProperties::No).build().await.map_err(failed)
    }

    fn done(&self, output: &mut Output, outcome: zbus::Result<()>) -> Result<(), Failure> {
        outcome.map_err(failed)?;
        output.result(&json!({"call": self.call.identity, "path": self.call.path}), String::new)
    }
}

async fn choose(which: &Which, what: &str, fits: impl Fn(&Call) -> bool) -> Result<Chosen, Failure> {
    let connection = bus::connect().await?;
    let calls = calls_of(&bus::sip_objects(&connection).await?);
    let call = pick(calls, which.call.as_deref(), what, fits)?;
    Ok(Chosen { connection, call })
}

/// The named call, or the newest that fits. A named one is taken as it is: its state is the phone's to judge.
fn pick(calls: Vec<Call>, named: Option<&str>, what: &str, fits: impl Fn(&Call) -> bool) -> Result<Call, Failure> {
    let Some(name) = named else {
        let newest = calls.into_iter().rev().find(|call| fits(call));
        return newest.ok_or_else(|| Failure::new(ErrorKind::WrongState, format!("there is no call that {what}")));
    };
    let upper = name.to_ascii_uppercase();
    let mut of_name = calls.into_iter().filter(|call| call.identity.starts_with(&upper) || call.identity.ends_with(&upper));
    match (of_name.next(), of_name.next()) {
        (Some(call), None) => Ok(call),
        (None, _) => Err(Failure::new(ErrorKind::NoSuchObject, format!("there is no call {name}"))),
        (Some(_), Some(_)) => Err(Failure::new(ErrorKind::InvalidArgument, format!("more than one call matches {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(identity: &str, state: &str) -> Call {
        let properties = [("State".to_owned(), json!(state))].into();
        Call { identity: identity.to_owned(), path: format!("/org/deskphone/Sip1/call/{identity}"), properties }
    }

    fn two() -> Vec<Call> {
        vec![call("01AAA", "talking"), call("01BBB", "incoming"), call("01CCC", "ended")]
    }

    #[test]
    fn without_a_name_the_newest_call_in_a_fitting_state_is_meant() {
        let up = |call: &Call| call.text("State") != "ended";
        assert_eq!(pick(two(), None, "is up", up).ok().map(|call| call.identity), Some("01BBB".to_owned()));
        let none = pick(vec![], None, "is up", up);
        assert_eq!(none.err().map(|failure| failure.kind()), Some(ErrorKind::WrongState));
    }

    #[test]
    fn a_name_may_be_short_but_must_be_clear() {
        let any = |_: &Call| true;
        assert_eq!(pick(two(), Some("aaa"), "", any).ok().map(|call| call.identity), Some("01AAA".to_owned()));
        assert_eq!(pick(two(), Some("01"), "", any).err().map(|failure| failure.kind()), Some(ErrorKind::InvalidArgument));
        assert_eq!(pick(two(), Some("X"), "", any).err().map(|failure| failure.kind()), Some(ErrorKind::NoSuchObject));
    }
}
