//! Attended transfer over the bus (RFC 5589 7): what is refused, and the REFER on the wire.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;

use std::collections::HashMap;

use house::far::{Dialog, header};
use house::{CALL_INTERFACE, House, error_name};
use zbus::{ObjectPath, Variant};

async fn transfer_to(house: &House, call: &str, other: &str) -> zbus::Result<()> {
    let (other, options) = (ObjectPath::try_from(other).unwrap(), HashMap::<&str, Variant<'_>>::new());
    let name = Some("org.deskphone.Sip1");
    house.bus.call_method(name, call, Some(CALL_INTERFACE), "TransferTo", &(other, options)).await.map(drop)
}

/// A held call and one that is talked with; the second one's dialog at the far end.
async fn two(house: &mut House) -> (String, String, Dialog) {
    let first = house.talking().await;
    let hold = house.ask(&first, CALL_INTERFACE, "Hold");
    hold.await.unwrap();
    let reinvite = house.far.expect("INVITE").await;
    let dialog = house.far.dialog.clone();
    house.far.answer(&reinvite, "recvonly").await;
    house.far.expect("ACK").await;
    house.wait(&first, CALL_INTERFACE, "Hold", "local").await;
    let second = house.dial("400", 0).await.unwrap();
    let invite = house.far.expect("INVITE").await;
    house.far.answer(&invite, "sendrecv").await;
    house.far.expect("ACK").await;
    house.wait(&second, CALL_INTERFACE, "State", "talking").await;
    let other = std::mem::replace(&mut house.far.dialog, dialog);
    (first, second, other)
}

#[tokio::test]
async fn the_first_calls_far_end_is_told_which_call_to_replace() {
    let mut house = House::registered().await;
    let (first, second, other) = two(&mut house).await;
    transfer_to(&house, &first, &second).await.unwrap();
    let refer = house.far.expect("REFER").await;
    assert_eq!(header(&refer, "Call-ID"), house.far.dialog.call_id);
    let refer_to = header(&refer, "Refer-To");
    let tag = |address: &str| address.split(";tag=").nth(1).unwrap().to_owned();
    let replaces = format!("?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>", other.call_id, tag(&other.local), tag(&other.remote));
    assert!(refer_to.starts_with("<sip:400@") && refer_to.replace("%40", "@").ends_with(&replaces), "{refer_to}\n{replaces}");
    house.far.respond(&refer, "603 Decline", "", "").await;
    for call in [&first, &second] {
        assert_eq!(house.property(call, CALL_INTERFACE, "State").await.as_deref(), Some("talking"));
    }
}

#[tokio::test]
async fn what_names_no_other_answered_call_is_refused() {
    let mut house = House::registered().await;
    let call = house.talking().await;
    for (other, error) in [
        ("/org/deskphone/Sip1", "InvalidArgument"),
        ("/elsewhere/01ARZ3NDEKTSV4RRFFQ69G5FAV", "InvalidArgument"),
        (call.as_str(), "InvalidArgument"),
        ("/org/deskphone/Sip1/call/01ARZ3NDEKTSV4RRFFQ69G5FAV", "NoSuchObject"),
    ] {
        let refused = transfer_to(&house, &call, other).await.unwrap_err();
        assert_eq!(error_name(&refused), format!("org.deskphone.Error.{error}"), "{other}");
    }
    let dialed = house.dial("400", 0).await.unwrap();
    let refused = transfer_to(&house, &call, &dialed).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.WrongState");
}
