//! Shared lines (SHARED_CALL_ENABLE_n, B181): a call of ours waits for an appearance, and people see what the other units do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use agreements::{CallIdentity, Correlation};
use sip_stack::{
    Appearance, Appearances, CallMedia, CallStage, CallView, Command, EndedBy, Event, Party, SubscriptionKey, SubscriptionState,
    SubscriptionWish,
};
use sip_wire::AppearanceState;
use telephone::{CallState, Input, Phone, Request, SharedLine, SubscriptionProgress, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

fn shared() -> TelephoneSettings {
    let mut settings = factory();
    settings.shared[0] = true;
    settings
}

fn key(event: &str) -> SubscriptionKey {
    SubscriptionKey { line: line(1), event: event.into(), resource: String::new() }
}

fn watch() -> Command {
    Command::Subscribe { key: key("call-info"), wish: SubscriptionWish::default(), body: None }
}

fn seize(index: u32) -> Command {
    let wish = SubscriptionWish { expires: Some(15), appearance: Some(index), once: true, ..SubscriptionWish::default() };
    Command::Subscribe { key: key("line-seize"), wish, body: None }
}

fn give_back() -> Command {
    Command::Unsubscribe(key("line-seize"))
}

fn state(event: &str, state: SubscriptionState) -> Event {
    Event::Subscription { key: key(event), state }
}

fn refused(words: &str) -> SubscriptionState {
    SubscriptionState::Refused { reason: words.into() }
}

fn one(index: u32, state: AppearanceState) -> Appearance {
    Appearance { index, state, far_end: String::new() }
}

fn said(event: &str, named: &[Appearance]) -> Event {
    Event::Appearances { key: key(event), appearances: Appearances { named: named.to_vec(), others: Some(AppearanceState::Idle) } }
}

/// Line 1 is shared, and watched.
fn desk() -> Desk {
    let mut desk = Desk::new(shared());
    assert_eq!(desk.commands(), [watch()]);
    desk.sip(state("call-info", SubscriptionState::Active));
    desk
}

/// The same, with these in use by other units.
fn beside(named: &[Appearance]) -> Desk {
    let mut desk = desk();
    desk.sip(said("call-info", named));
    desk
}

fn dial(call: CallIdentity, index: u32) -> Command {
    Command::Dial { call, line: line(1), target: "100".into(), appearance: Some(index) }
}

fn ask(desk: &mut Desk) -> CallIdentity {
    desk.request(Request::Dial { line: None, target: "100".into() }).unwrap().unwrap()
}

fn granted(desk: &mut Desk) {
    desk.sip(state("line-seize", SubscriptionState::Active));
}

/// A call whose INVITE has left.
fn dialing(desk: &mut Desk) -> CallIdentity {
    let call = ask(desk);
    granted(desk);
    desk.sip(Event::Dialing { call, sip_call_id: "id".into() });
    desk.commands();
    call
}

#[test]
fn only_a_shared_line_is_watched_and_seized() {
    let mut desk = Desk::new(shared());
    desk.sip(Event::Line(line(2), registered()));
    assert_eq!(desk.commands(), [watch()]);
    let call = desk.request(Request::Dial { line: Some(line(2)), target: "100".into() }).unwrap().unwrap();
    assert_eq!(desk.commands(), [Command::Dial { call, line: line(2), target: "100".into(), appearance: None }]);
    desk.input(Input::Settings(Box::new(factory())));
    assert_eq!(desk.commands(), [Command::Unsubscribe(key("call-info"))]);
}

#[test]
fn the_invite_waits_for_the_appearance_which_is_the_calls_from_then_on() {
    let mut desk = desk();
    let call = ask(&mut desk);
    assert_eq!(desk.commands(), [seize(1)]);
    desk.sip(state("line-seize", SubscriptionState::Asking { last_error: String::new() }));
    assert_eq!((desk.commands(), desk.view(call).state, desk.tone()), (vec![], CallState::Dialing, None));
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(call, 1)]);
    assert_eq!(desk.view(call).appearance, Some(1));
    desk.sip(Event::Dialing { call, sip_call_id: "id".into() });
    assert_eq!(desk.commands(), [Command::LetLapse(key("line-seize"))], "giving it back would free it under the call");
    desk.sip(state("line-seize", SubscriptionState::Ended));
    desk.established(call);
    assert_eq!((desk.commands(), desk.view(call).state), (vec![], CallState::Talking));
}

#[test]
fn the_first_free_appearance_is_asked_for_and_the_one_that_is_given_is_used() {
    let mut desk = beside(&[one(1, AppearanceState::Active), one(2, AppearanceState::Idle)]);
    let call = ask(&mut desk);
    assert_eq!(desk.commands(), [seize(2)]);
    desk.sip(said("line-seize", &[one(4, AppearanceState::Seized)]));
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(call, 4)]);
}

/// The server says so a moment later.
#[test]
fn a_second_call_does_not_ask_for_what_the_first_one_has() {
    let mut desk = desk();
    let first = dialing(&mut desk);
    desk.established(first);
    let second = ask(&mut desk);
    assert_eq!(desk.commands(), [Command::Hold(first), seize(2)]);
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(second, 2)]);
}

/// A call that has left says nothing of the next one, whatever is told of it again.
#[test]
fn a_call_hands_over_the_seizing_once() {
    let mut desk = desk();
    let first = dialing(&mut desk);
    desk.established(first);
    let second = ask(&mut desk);
    desk.commands();
    desk.sip(Event::Dialing { call: first, sip_call_id: "id".into() });
    assert_eq!(desk.commands(), []);
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(second, 2)]);
}

#[test]
fn who_cannot_seize_the_line_hears_it_and_no_invite_leaves() {
    for (event, words) in [
        (state("line-seize", refused("the server refuses: 403 Forbidden")), "403 Forbidden"),
        (state("line-seize", SubscriptionState::Ended), "has ended it"),
    ] {
        let mut desk = desk();
        let call = ask(&mut desk);
        desk.commands();
        desk.sip(event);
        let end = desk.view(call).end.clone().unwrap();
        assert!(end.reason.contains("shared line") && end.reason.contains(words), "{}", end.reason);
        assert_eq!((end.by, desk.tone(), desk.commands()), (EndedBy::Network, Some("reorder"), vec![]));
    }
}

fn in_use() -> Event {
    state("line-seize", SubscriptionState::InUse { reason: "the server answered 480 Temporarily Unavailable".into() })
}

/// The server has not said so yet: the next free one is asked for, within the time that the person waits anyhow.
#[test]
fn an_appearance_that_is_in_use_after_all_makes_room_for_the_next() {
    let mut desk = beside(&[one(2, AppearanceState::Active)]);
    let call = ask(&mut desk);
    assert_eq!(desk.commands(), [seize(1)]);
    desk.sip(in_use());
    assert_eq!((desk.commands(), desk.view(call).state), (vec![seize(3)], CallState::Dialing));
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(call, 3)]);
}

#[test]
fn a_line_that_is_in_use_again_and_again_is_given_up() {
    let mut desk = desk();
    desk.lift();
    let mut asked = desk.commands();
    for _ in 0..4 {
        desk.sip(in_use());
        asked.extend(desk.commands());
    }
    assert_eq!((asked, desk.tone()), (vec![seize(1), seize(2), seize(3), seize(4)], Some("reorder")));
    let mut desk = self::desk();
    let call = ask(&mut desk);
    desk.seconds(3);
    desk.sip(in_use());
    desk.seconds(3);
    assert!(desk.view(call).end.clone().unwrap().reason.contains("does not answer"), "five seconds in all");
}

#[test]
fn a_server_that_is_silent_is_waited_for_five_seconds() {
    let mut desk = desk();
    let call = ask(&mut desk);
    desk.commands();
    desk.pass(std::time::Duration::from_millis(4900));
    assert_eq!((desk.view(call).state, desk.commands()), (CallState::Dialing, vec![]));
    desk.seconds(1);
    assert!(desk.view(call).end.clone().unwrap().reason.contains("does not answer"));
    assert_eq!((desk.tone(), desk.commands()), (Some("reorder"), vec![give_back()]));
    // What comes too late does nothing.
    granted(&mut desk);
    assert_eq!(desk.commands(), []);
}

#[test]
fn a_line_whose_appearances_are_all_in_use_is_not_asked() {
    let mut desk = desk();
    let appearances = Appearances { named: vec![one(1, AppearanceState::Held)], others: Some(AppearanceState::Active) };
    desk.sip(Event::Appearances { key: key("call-info"), appearances });
    let call = ask(&mut desk);
    assert!(desk.view(call).end.clone().unwrap().reason.contains("in use"));
    assert_eq!(desk.commands(), []);
}

#[test]
fn dial_tone_comes_with_the_appearance_which_the_digits_use() {
    let mut desk = desk();
    desk.lift();
    assert_eq!((desk.commands(), desk.tone(), desk.lamp("line-1")), (vec![seize(1)], None, "on"));
    granted(&mut desk);
    assert_eq!(desk.tone(), Some("dial"));
    desk.keys(&["1", "0", "0", "pound"]);
    let call = *desk.calls.keys().next().unwrap();
    assert_eq!(desk.commands(), [dial(call, 1)]);
}

#[test]
fn digits_may_be_keyed_before_the_appearance_is_there() {
    let mut desk = desk();
    desk.lift();
    desk.keys(&["1", "0", "0", "pound"]);
    assert_eq!(desk.commands(), [seize(1)]);
    granted(&mut desk);
    let call = *desk.calls.keys().next().unwrap();
    assert_eq!(desk.commands(), [dial(call, 1)]);
}

#[test]
fn who_hangs_up_without_dialing_gives_the_appearance_back() {
    let mut desk = desk();
    desk.lift();
    granted(&mut desk);
    desk.commands();
    desk.put_down();
    assert_eq!(desk.commands(), [give_back()]);
    // Hands-free, another line is taken instead.
    desk.sip(Event::Line(line(2), registered()));
    desk.key("speaker");
    assert_eq!(desk.commands(), [seize(1)]);
    desk.key("line-2");
    assert_eq!((desk.commands(), desk.tone()), (vec![give_back()], Some("dial")));
}

/// B192.
#[test]
fn who_does_not_dial_in_time_gives_the_appearance_back() {
    let mut desk = desk();
    desk.lift();
    granted(&mut desk);
    desk.commands();
    desk.seconds(31);
    assert_eq!((desk.commands(), desk.tone()), (vec![give_back()], Some("busy")));
}

#[test]
fn an_appearance_that_the_server_takes_back_ends_the_dial_tone() {
    let mut desk = desk();
    desk.lift();
    granted(&mut desk);
    desk.key("1");
    desk.commands();
    desk.sip(state("line-seize", refused("the server ended the subscription: timeout")));
    assert_eq!((desk.tone(), desk.commands(), desk.pending_digits.as_str()), (Some("reorder"), vec![], ""));
}

#[test]
fn who_hangs_up_while_the_call_waits_ends_it() {
    let mut desk = desk();
    desk.lift();
    desk.keys(&["1", "pound"]);
    let call = *desk.calls.keys().next().unwrap();
    desk.commands();
    desk.put_down();
    let end = desk.view(call).end.clone().unwrap();
    assert_eq!((end.by, desk.commands(), desk.tone(), desk.calls_up), (EndedBy::Local, vec![give_back()], None, 0));
    let call = ask(&mut desk);
    desk.commands();
    desk.request(Request::Hangup(call)).unwrap();
    assert_eq!((desk.view(call).state, desk.commands()), (CallState::Ended, vec![give_back()]));
}

/// The stack cannot send the INVITE.
#[test]
fn a_call_that_ends_before_its_invite_has_left_gives_the_appearance_back() {
    let mut desk = desk();
    let call = ask(&mut desk);
    granted(&mut desk);
    desk.commands();
    desk.ended(call, 0, EndedBy::Local);
    assert_eq!(desk.commands(), [give_back()]);
}

#[test]
fn a_line_that_is_shared_no_more_lets_the_waiting_call_go() {
    let mut desk = desk();
    let call = ask(&mut desk);
    desk.commands();
    desk.input(Input::Settings(Box::new(factory())));
    let commands = desk.commands();
    assert!(commands.contains(&Command::Dial { call, line: line(1), target: "100".into(), appearance: None }), "{commands:?}");
    assert!(commands.contains(&give_back()));
}

#[test]
fn a_call_of_theirs_knows_its_appearance() {
    let mut desk = desk();
    let call = desk.invite(1);
    assert_eq!(desk.view(call).appearance, None);
    desk.sip(Event::Appearance { call, index: 3 });
    assert_eq!(desk.view(call).appearance, Some(3));
    // It is in use, whether or not the server has said so.
    desk.sip(said("call-info", &[one(1, AppearanceState::Active), one(2, AppearanceState::Held)]));
    desk.lift();
    desk.established(call);
    desk.commands();
    ask(&mut desk);
    assert_eq!(desk.commands(), [Command::Hold(call), seize(4)]);
}

#[test]
fn the_lamp_shows_what_other_units_do() {
    let lamp = |states: &[AppearanceState]| {
        let named: Vec<_> = (1..).zip(states).map(|(index, state)| one(index, *state)).collect();
        beside(&named).lamp("line-1").to_owned()
    };
    use AppearanceState::{Active, Alerting, BridgeActive, BridgeHeld, Held, HeldPrivate, Idle, Progressing, Seized};
    for state in [Seized, Progressing, Active, HeldPrivate, BridgeActive] {
        assert_eq!(lamp(&[state]), "on", "{state:?}");
    }
    for state in [Held, BridgeHeld] {
        assert_eq!(lamp(&[state]), "flash-slow", "{state:?}");
    }
    assert_eq!([lamp(&[]), lamp(&[Idle]), lamp(&[Alerting]), lamp(&[Held, Active])], ["off", "off", "off", "on"]);
}

/// What this unit does comes first.
#[test]
fn a_call_of_our_own_rings_and_is_held_at_the_lamp_whatever_others_do() {
    let mut desk = beside(&[one(2, AppearanceState::Active)]);
    let call = desk.invite(1);
    assert_eq!(desk.lamp("line-1"), "flash-fast");
    desk.lift();
    desk.established(call);
    desk.hold_changed(call, true, false);
    assert_eq!(desk.lamp("line-1"), "flash-slow");
    desk.ended(call, 0, EndedBy::Remote);
    assert_eq!(desk.lamp("line-1"), "on");
}

#[test]
fn people_see_the_appearances_in_use_until_the_server_refuses_to_tell() {
    let far_end = "\"Ada\" <sip:300@example.com>".to_owned();
    let active = Appearance { far_end, ..one(1, AppearanceState::Active) };
    let mut desk = beside(&[active.clone(), one(2, AppearanceState::Idle)]);
    let shown = |watched, appearances: &[Appearance]| SharedLine { appearances: appearances.to_vec(), watched };
    assert_eq!(desk.shared[&line(1)], shown(SubscriptionProgress::Active, std::slice::from_ref(&active)));
    assert_eq!(desk.shared[&line(2)], SharedLine::default());
    // Away: what was said stays.
    desk.sip(state("call-info", SubscriptionState::Asking { last_error: "no answer".into() }));
    assert_eq!(desk.shared[&line(1)], shown(SubscriptionProgress::Asking, &[active]));
    desk.sip(state("call-info", refused("403")));
    assert_eq!((&desk.shared[&line(1)], desk.lamp("line-1")), (&shown(SubscriptionProgress::Refused, &[]), "off"));
}

fn restart(desk: &Desk, calls: &[CallView]) -> Desk {
    let bytes = postcard::to_stdvec(&desk.phone).unwrap();
    let mut phone: Phone = postcard::from_bytes(&bytes).unwrap();
    phone.restored(desk.now, shared(), calls);
    Desk::of(phone, desk.now)
}

#[test]
fn a_restart_forgets_neither_the_units_nor_the_call_that_waits() {
    let mut desk = beside(&[one(1, AppearanceState::Active)]);
    let call = ask(&mut desk);
    let mut desk = restart(&desk, &[]);
    assert_eq!((desk.view(call).state, desk.commands()), (CallState::Dialing, vec![]));
    assert_eq!(desk.shared[&line(1)].appearances, [one(1, AppearanceState::Active)]);
    granted(&mut desk);
    assert_eq!(desk.commands(), [dial(call, 2)]);
}

/// Nobody presses a key for it.
#[test]
fn a_referred_call_does_not_wait() {
    let mut desk = desk();
    let talking = desk.talking(1);
    desk.refer(talking, 1);
    let commands = desk.commands();
    assert!(matches!(commands[..], [Command::AcceptReferral { .. }]), "{commands:?}");
}

#[test]
fn redial_seizes_again() {
    let mut desk = desk();
    let call = dialing(&mut desk);
    desk.sip(Event::Established { call, remote: Party::default(), codec: None, held: false });
    desk.ended(call, 0, EndedBy::Remote);
    desk.put_down();
    desk.seconds(20);
    desk.commands();
    desk.key("redial");
    assert_eq!(desk.commands(), [seize(1)]);
}

/// The stack names the call before its INVITE has left: giving the appearance back now would free it under the call.
#[test]
fn a_restart_while_the_invite_waits_for_media_keeps_the_appearance() {
    let mut desk = desk();
    let call = ask(&mut desk);
    granted(&mut desk);
    assert_eq!(desk.commands(), [seize(1), dial(call, 1)]);
    let view = CallView {
        call,
        line: line(1),
        outgoing: true,
        stage: CallStage::Dialing,
        held_by_us: false,
        held_by_them: false,
        remote: Party::default(),
        sip_call_id: "id".into(),
        codec: None,
        media: CallMedia { call, line: line(1), generation: 1, legs: Vec::new() },
        correlation: Correlation::default(),
    };
    let mut after = restart(&desk, &[view]);
    assert_eq!(after.commands(), []);
    after.sip(Event::Dialing { call, sip_call_id: "id".into() });
    assert_eq!(after.commands(), [Command::LetLapse(key("line-seize"))]);
}

/// From another address it is asked for anew: until it is given, no INVITE may leave.
#[test]
fn an_appearance_that_is_asked_for_anew_is_not_ours() {
    let mut desk = desk();
    desk.lift();
    granted(&mut desk);
    assert_eq!(desk.tone(), Some("dial"));
    desk.sip(state("line-seize", SubscriptionState::Asking { last_error: String::new() }));
    assert_eq!(desk.tone(), None);
    desk.commands();
    desk.keys(&["1", "0", "0", "pound"]);
    assert_eq!(desk.commands(), []);
    granted(&mut desk);
    let call = *desk.calls.keys().next().unwrap();
    assert_eq!(desk.commands(), [dial(call, 1)]);
}
