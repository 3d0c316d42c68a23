//! Calls that come instead of others: the far end transfers, or a call takes the place of another (RFC 5589, RFC 3891).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use agreements::CallIdentity;
use sip_stack::{Command, EndedBy, Event, Party, ReferProgress, ReferTarget, ReferralId};
use telephone::{CallDirection, CallState, Refusal, Request};
use testbed::desk::{Desk, factory, line};

/// Transferred by the far end of a call: the new one.
fn transferred(desk: &mut Desk, call: CallIdentity) -> CallIdentity {
    desk.refer(call, 1);
    let commands = desk.commands();
    let accepted = |command: &Command| match command {
        Command::AcceptReferral { referral: ReferralId(1), call } => Some(*call),
        _ => None,
    };
    assert_eq!(commands.len(), 1, "{commands:?}");
    accepted(&commands[0]).unwrap()
}

#[test]
fn who_is_transferred_hears_the_new_call_and_the_old_one_ends_by_its_far_end() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = transferred(&mut desk, old);
    let view = desk.view(new).clone();
    assert_eq!((view.state, view.direction), (CallState::Dialing, CallDirection::Outgoing));
    assert_eq!(view.remote.number, "500");
    desk.sip(Event::Ringback { call: new, early_media: false });
    assert_eq!((desk.sound.heard, desk.tone()), (None, Some("ringback")));
    desk.established(new);
    desk.ended(old, 0, EndedBy::Remote);
    assert_eq!((desk.sound.heard, desk.tone()), (Some(new), None));
    assert_eq!(desk.commands(), []);
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(new)]);
}

/// The person has not moved: whoever wanted the transfer is there again.
#[test]
fn after_a_transfer_that_fails_the_old_call_is_in_the_ear_again() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = transferred(&mut desk, old);
    desk.ended(new, 486, EndedBy::Remote);
    assert_eq!((desk.sound.heard, desk.tone()), (Some(old), None));
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(old)]);
}

#[test]
fn who_hangs_up_during_a_transfer_leaves_no_call_behind() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = transferred(&mut desk, old);
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(new), Command::Hangup(old)]);
}

/// A call that waits on hold is transferred: the new one waits as well, and nobody is thrown out of a conversation.
#[test]
fn a_held_call_that_is_transferred_goes_on_held() {
    let mut desk = Desk::new(factory());
    let held = desk.talking(1);
    desk.key("hold");
    desk.hold_changed(held, true, false);
    let heard = desk.invite(1);
    desk.request(Request::Answer(heard)).unwrap();
    desk.established(heard);
    desk.commands();
    let new = transferred(&mut desk, held);
    desk.established(new);
    assert_eq!((desk.sound.heard, desk.commands()), (Some(heard), vec![Command::Hold(new)]));
}

/// One call more for one call less: who asks again before the first has come to an end would make the phone call as often as it likes.
#[test]
fn a_call_is_transferred_to_one_at_a_time() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = transferred(&mut desk, old);
    desk.refer(old, 2);
    assert_eq!(desk.commands(), [Command::DeclineReferral(ReferralId(2))]);
    desk.ended(new, 486, EndedBy::Remote);
    desk.commands();
    transferred(&mut desk, old);
}

/// Nobody has picked the phone up for it: a request about no call, or about one that only rings.
#[test]
fn a_referral_that_is_about_no_answered_call_is_declined() {
    let mut desk = Desk::new(factory());
    let party = Party::default;
    for call in [None, Some(CallIdentity::from_parts(9, 9)), Some(desk.invite(1))] {
        desk.commands();
        let referral = ReferralId(4);
        desk.sip(Event::Referred { referral, line: line(1), call, by: party(), to: party(), replaces: false });
        assert_eq!(desk.commands(), [Command::DeclineReferral(referral)]);
    }
}

/// RFC 3891 3: it is answered without ringing, do not disturb or not, and is where the old call was.
#[test]
fn a_call_that_replaces_another_is_answered_at_once_and_is_in_the_ear() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = desk.replace(old);
    assert_eq!((desk.commands(), desk.sound.ring), (vec![Command::Answer(new)], false));
    desk.established(new);
    desk.ended(old, 0, EndedBy::Remote);
    assert_eq!((desk.sound.heard, desk.tone(), desk.calls_up), (Some(new), None, 1));
}

#[test]
fn a_call_that_replaces_a_dialled_one_ends_its_ringback() {
    let mut desk = Desk::new(factory());
    let old = desk.request(Request::Dial { line: None, target: "300".into() }).unwrap().unwrap();
    desk.sip(Event::Ringback { call: old, early_media: false });
    desk.commands();
    let new = desk.replace(old);
    desk.established(new);
    desk.ended(old, 0, EndedBy::Remote);
    assert_eq!((desk.sound.heard, desk.tone()), (Some(new), None));
}

#[test]
fn a_replacement_that_comes_to_nothing_leaves_the_old_call_in_the_ear() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    let new = desk.replace(old);
    desk.ended(new, 500, EndedBy::Local);
    assert_eq!((desk.sound.heard, desk.tone(), desk.calls_up), (Some(old), None, 1));
}

/// What has ended meanwhile cannot be replaced: the call is one like any other.
#[test]
fn a_call_that_replaces_one_that_has_ended_rings() {
    let mut desk = Desk::new(factory());
    let old = desk.talking(1);
    desk.ended(old, 0, EndedBy::Remote);
    desk.put_down();
    desk.commands();
    let new = desk.replace(old);
    assert_eq!(desk.commands(), [Command::Ring(new)]);
}

fn refer(call: CallIdentity) -> Command {
    Command::Refer { call, target: ReferTarget::Address("500".into()) }
}

/// Architecture 4: the hold is said before, and the stack lets the REFER go once it is confirmed.
#[test]
fn a_transfer_holds_the_call_first_and_ends_it_when_the_other_one_has_answered() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Transfer(call, "500".into())).unwrap();
    assert_eq!(desk.commands(), [Command::Hold(call), refer(call)]);
    desk.hold_changed(call, true, false);
    for progress in [ReferProgress::Accepted { followed: true }, ReferProgress::Progress { status: 180 }] {
        desk.sip(Event::Refer { call, progress });
        assert_eq!(desk.commands(), []);
    }
    desk.sip(Event::Refer { call, progress: ReferProgress::Succeeded });
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

/// RFC 4488: nothing more will be heard.
#[test]
fn a_transfer_that_nobody_follows_ends_the_call_once_it_is_accepted() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Transfer(call, "500".into())).unwrap();
    desk.commands();
    desk.sip(Event::Refer { call, progress: ReferProgress::Accepted { followed: false } });
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

#[test]
fn a_transfer_that_fails_leaves_the_call_on_hold() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Transfer(call, "500".into())).unwrap();
    desk.hold_changed(call, true, false);
    desk.commands();
    for progress in [
        ReferProgress::Failed { status: 486, reason: "486 Busy Here".into() },
        ReferProgress::Unasked { reason: "in words".into() },
    ] {
        desk.sip(Event::Refer { call, progress });
        assert_eq!((desk.commands(), desk.view(call).hold.local), (vec![], true));
    }
    // A held one is not held again.
    desk.request(Request::Transfer(call, "500".into())).unwrap();
    assert_eq!(desk.commands(), [refer(call)]);
}

#[test]
fn what_is_not_answered_and_what_is_no_number_is_not_transferred() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    assert!(matches!(desk.request(Request::Transfer(call, "500".into())), Err(Refusal::WrongState(_))));
    assert!(matches!(desk.request(Request::Transfer(call, "5 0".into())), Err(Refusal::InvalidArgument(_))));
    let nobody = CallIdentity::from_parts(9, 9);
    assert!(matches!(desk.request(Request::Transfer(nobody, "500".into())), Err(Refusal::NoSuchCall(_))));
}
