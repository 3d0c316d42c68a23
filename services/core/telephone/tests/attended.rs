//! Two calls of one's own are joined: attended transfer (RFC 5589 7). REFER goes on the first, the second is replaced (RFC 3891).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use agreements::CallIdentity;
use sip_stack::{Command, EndedBy, Event, ReferProgress, ReferTarget};
use telephone::{Input, Phone, Refusal, Request};
use testbed::desk::{Desk, factory, line, registered};

const ACCEPTED: ReferProgress = ReferProgress::Accepted { followed: true };

fn failed() -> ReferProgress {
    ReferProgress::Failed { status: 481, reason: "481 Call/Transaction Does Not Exist".into() }
}

fn refer(call: CallIdentity, other: CallIdentity) -> Command {
    Command::Refer { call, target: ReferTarget::Call(other) }
}

/// A held call, and one that is in the ear.
fn two() -> (Desk, CallIdentity, CallIdentity) {
    let mut desk = Desk::new(factory());
    let first = desk.talking(1);
    desk.key("hold");
    desk.hold_changed(first, true, false);
    let second = desk.request(Request::Dial { line: None, target: "400".into() }).unwrap().unwrap();
    desk.established(second);
    desk.commands();
    assert_eq!(desk.sound.heard, Some(second));
    (desk, first, second)
}

fn ask(desk: &mut Desk, call: CallIdentity, other: CallIdentity) -> Result<Option<CallIdentity>, Refusal> {
    desk.request(Request::TransferTo { call, other })
}

fn progress(desk: &mut Desk, call: CallIdentity, progress: ReferProgress) {
    desk.sip(Event::Refer { call, progress });
}

/// The held call's far end is sent to the one in the ear.
fn joining() -> (Desk, CallIdentity, CallIdentity) {
    let (mut desk, first, second) = two();
    ask(&mut desk, first, second).unwrap();
    assert_eq!(desk.commands(), [refer(first, second)], "it is on hold already");
    progress(&mut desk, first, ACCEPTED);
    progress(&mut desk, first, ReferProgress::Progress { status: 100 });
    assert_eq!((desk.commands(), desk.sound.heard), (vec![], Some(second)), "and the other one is talked with as before");
    (desk, first, second)
}

/// RFC 5589 7: the second call's far end ends it, being replaced, and this phone the first.
#[test]
fn both_calls_end_when_the_two_have_come_together() {
    let (mut desk, first, second) = joining();
    desk.ended(second, 0, EndedBy::Remote);
    assert_eq!((desk.sound.heard, desk.tone(), desk.commands()), (None, None, vec![]), "silence until the outcome is known");
    progress(&mut desk, first, ReferProgress::Succeeded);
    assert_eq!(desk.commands(), [Command::Hangup(first)]);
    desk.ended(first, 0, EndedBy::Local);
    assert_eq!((desk.calls_up, desk.tone()), (0, None));
}

/// The last NOTIFY overtakes the BYE of who was replaced, which may never come: this phone ends both.
#[test]
fn a_call_that_its_far_end_has_not_ended_by_then_is_ended_here() {
    let (mut desk, first, second) = joining();
    progress(&mut desk, first, ReferProgress::Succeeded);
    assert_eq!(desk.commands(), [Command::Hangup(first), Command::Hangup(second)]);
    desk.ended(second, 0, EndedBy::Remote);
    desk.ended(first, 0, EndedBy::Local);
    assert_eq!((desk.calls_up, desk.tone(), desk.sound.heard), (0, None, None));
}

/// Architecture 4: the hold is said before, and the stack lets the REFER go once it is confirmed.
#[test]
fn a_call_in_the_ear_is_held_first() {
    let (mut desk, first, second) = two();
    ask(&mut desk, second, first).unwrap();
    assert_eq!(desk.commands(), [Command::Hold(second), refer(second, first)]);
    desk.hold_changed(second, true, false);
    progress(&mut desk, second, ACCEPTED);
    desk.ended(first, 0, EndedBy::Remote);
    progress(&mut desk, second, ReferProgress::Succeeded);
    assert_eq!((desk.commands(), desk.tone()), (vec![Command::Hangup(second)], None));
}

#[test]
fn a_refusal_leaves_the_person_with_who_is_in_the_ear() {
    let (mut desk, first, second) = joining();
    progress(&mut desk, first, failed());
    assert_eq!((desk.commands(), desk.sound.heard), (vec![], Some(second)));
    assert!(desk.view(first).hold.local);
    // It may be tried again.
    ask(&mut desk, first, second).unwrap();
    assert_eq!(desk.commands(), [refer(first, second)]);
}

/// What was put on hold for it is talked with again.
#[test]
fn a_call_that_was_held_for_a_transfer_that_fails_is_heard_again() {
    for outcome in [failed(), ReferProgress::Unasked { reason: "in words".into() }] {
        let (mut desk, first, second) = two();
        ask(&mut desk, second, first).unwrap();
        desk.hold_changed(second, true, false);
        desk.commands();
        progress(&mut desk, second, outcome);
        assert_eq!(desk.commands(), [Command::Resume(second)]);
        desk.hold_changed(second, false, false);
        assert_eq!(desk.sound.heard, Some(second));
        assert!(desk.view(first).hold.local);
    }
}

/// A hold that the far end refuses: the REFER did not leave, and nothing has changed.
#[test]
fn without_the_hold_there_is_no_transfer() {
    let (mut desk, first, second) = two();
    ask(&mut desk, second, first).unwrap();
    desk.commands();
    progress(&mut desk, second, ReferProgress::Failed { status: 488, reason: "the call cannot be held".into() });
    desk.sip(Event::HoldFailed { call: second, status: 488, reason: String::new() });
    desk.commands();
    assert_eq!((desk.view(second).hold.local, desk.sound.heard), (false, Some(second)));
    assert!(ask(&mut desk, second, first).is_ok());
}

/// The one that was to be called hangs up before: the person gets the other one back, and hears it, also hands-free.
#[test]
fn when_the_other_call_ends_in_between_the_first_is_heard_again() {
    for hands_free in [false, true] {
        let (mut desk, first, second) = joining();
        if hands_free {
            desk.key("speaker");
        }
        desk.ended(second, 0, EndedBy::Remote);
        assert_eq!((desk.tone(), desk.commands()), (None, vec![]));
        progress(&mut desk, first, failed());
        assert_eq!(desk.commands(), [Command::Resume(first)]);
        desk.hold_changed(first, false, false);
        assert_eq!(desk.sound.heard, Some(first));
    }
}

/// The one that was to call hangs up: the person goes on with the other one, also where that is on hold.
#[test]
fn when_the_first_call_ends_in_between_the_other_is_heard() {
    let (mut desk, first, second) = joining();
    desk.ended(first, 0, EndedBy::Remote);
    assert_eq!((desk.commands(), desk.sound.heard, desk.tone()), (vec![], Some(second), None));
    progress(&mut desk, first, failed());
    assert_eq!((desk.commands(), desk.sound.heard), (vec![], Some(second)));

    let (mut desk, first, second) = two();
    ask(&mut desk, second, first).unwrap();
    desk.hold_changed(second, true, false);
    desk.commands();
    desk.ended(second, 0, EndedBy::Remote);
    assert_eq!((desk.commands(), desk.tone()), (vec![Command::Resume(first)], None));
}

/// Its BYE comes before its last NOTIFY: who was called is out of it as well.
#[test]
fn a_first_call_that_ends_before_it_says_that_it_succeeded_ends_the_other() {
    let (mut desk, first, second) = joining();
    desk.ended(first, 0, EndedBy::Remote);
    progress(&mut desk, first, ReferProgress::Succeeded);
    assert_eq!(desk.commands(), [Command::Hangup(second)]);
}

#[test]
fn when_both_calls_end_nothing_is_left() {
    let (mut desk, first, second) = joining();
    desk.ended(second, 0, EndedBy::Remote);
    desk.ended(first, 0, EndedBy::Remote);
    assert_eq!((desk.calls_up, desk.tone()), (0, Some("reorder")));
    progress(&mut desk, first, failed());
    desk.seconds(30);
    assert!(desk.calls.is_empty() && desk.commands().is_empty());
}

/// Who has asked for it may go: the calls belong to the two now. If it fails they wait on hold.
#[test]
fn the_handset_may_be_put_down_meanwhile() {
    let (mut desk, first, second) = joining();
    desk.put_down();
    assert_eq!((desk.commands(), desk.sound.heard, desk.calls_up), (vec![], None, 2));
    desk.ended(second, 0, EndedBy::Remote);
    progress(&mut desk, first, ReferProgress::Succeeded);
    assert_eq!(desk.commands(), [Command::Hangup(first)]);

    let (mut desk, first, second) = joining();
    desk.put_down();
    progress(&mut desk, first, failed());
    assert_eq!(desk.commands(), [Command::Hold(second)]);
    assert!(desk.view(first).hold.local);
}

/// A line key would end the conversation where AUTO_CALL_HOLD is off (B289); of one that is being joined it does not.
#[test]
fn a_line_key_does_not_tear_the_two_apart() {
    let (mut desk, _, second) = joining();
    desk.sip(Event::Line(line(2), registered()));
    desk.key("line-2");
    assert_eq!((desk.commands(), desk.tone()), (vec![Command::Hold(second)], Some("dial")));
}

/// Said in so many words, either call ends.
#[test]
fn a_call_that_is_being_joined_may_be_hung_up() {
    let (mut desk, first, second) = joining();
    desk.request(Request::Hangup(second)).unwrap();
    assert_eq!(desk.commands(), [Command::Hangup(second)]);
    desk.ended(second, 0, EndedBy::Local);
    progress(&mut desk, first, failed());
    assert_eq!((desk.commands(), desk.view(first).hold.local), (vec![], true));
}

/// RFC 4488: nothing more will be heard. The other call is replaced some time, and ends by that.
#[test]
fn a_transfer_that_nobody_follows_ends_the_first_call_only() {
    let (mut desk, first, second) = two();
    ask(&mut desk, first, second).unwrap();
    desk.commands();
    progress(&mut desk, first, ReferProgress::Accepted { followed: false });
    assert_eq!((desk.commands(), desk.sound.heard), (vec![Command::Hangup(first)], Some(second)));
}

#[test]
fn only_two_answered_calls_are_joined_and_once_at_a_time() {
    let (mut desk, first, second) = two();
    let rings = desk.invite(1);
    let nobody = CallIdentity::from_parts(9, 9);
    assert!(matches!(ask(&mut desk, first, first), Err(Refusal::InvalidArgument(_))));
    for (call, other) in [(first, rings), (rings, first)] {
        assert!(matches!(ask(&mut desk, call, other), Err(Refusal::WrongState(_))));
    }
    for (call, other) in [(first, nobody), (nobody, first)] {
        assert!(matches!(ask(&mut desk, call, other), Err(Refusal::NoSuchCall(_))));
    }
    desk.commands();
    ask(&mut desk, first, second).unwrap();
    desk.commands();
    for (call, other) in [(first, second), (second, first)] {
        assert!(matches!(ask(&mut desk, call, other), Err(Refusal::WrongState(_))));
        assert!(matches!(desk.request(Request::Transfer(call, "500".into())), Err(Refusal::WrongState(_))));
    }
    assert_eq!(desk.commands(), []);
}

#[test]
fn a_restarted_phone_still_knows_that_they_are_being_joined() {
    let (desk, first, second) = joining();
    let mut phone: Phone = postcard::from_bytes(&postcard::to_stdvec(&desk.phone).unwrap()).unwrap();
    phone.handle(desk.now, Input::Settings(Box::new(factory())));
    let mut after = Desk::of(phone, desk.now);
    after.commands();
    progress(&mut after, first, ReferProgress::Succeeded);
    assert_eq!(after.commands(), [Command::Hangup(first), Command::Hangup(second)]);
}

/// FLASH_RECALL_TERMINATE: the far end of the second call needs its dialog until it has been replaced.
#[test]
fn flash_leaves_a_call_that_is_being_joined() {
    let (mut desk, first, second) = joining();
    desk.key("flash");
    assert_eq!((desk.commands(), desk.tone()), (vec![Command::Hold(second)], Some("dial")));
    desk.hold_changed(second, true, false);
    desk.ended(second, 0, EndedBy::Remote);
    progress(&mut desk, first, ReferProgress::Succeeded);
    assert_eq!(desk.commands(), [Command::Hangup(first)]);
}
