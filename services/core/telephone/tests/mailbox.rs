//! Messages at the voice mail server: who subscribes when, and what people see of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use sip_stack::{Command, Event, LineState, SubscriptionKey, SubscriptionState, SubscriptionWish};
use telephone::{Input, Messages, Phone, SubscriptionProgress, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

fn voice_mail() -> TelephoneSettings {
    TelephoneSettings { voice_mail: true, ..factory() }
}

fn key(number: u32) -> SubscriptionKey {
    SubscriptionKey { line: line(number), event: "message-summary".into(), resource: String::new() }
}

fn subscribe(number: u32) -> Command {
    let accept = vec!["application/simple-message-summary".to_owned()];
    Command::Subscribe { key: key(number), wish: SubscriptionWish { accept, ..SubscriptionWish::default() }, body: None }
}

fn notified(number: u32, body: &str) -> Event {
    let content_type = "application/simple-message-summary;charset=utf-8".to_owned();
    Event::Notified { key: key(number), content_type, body: body.into() }
}

/// Without a subscription.
fn told_unasked(number: u32, body: &str) -> Event {
    Event::MailboxTold { line: line(number), content_type: "application/simple-message-summary".to_owned(), body: body.into() }
}

fn state(number: u32, state: SubscriptionState) -> Event {
    Event::Subscription { key: key(number), state }
}

/// A phone whose line 1 has a mailbox that says this.
fn told(settings: TelephoneSettings, body: &str) -> Desk {
    let mut desk = Desk::new(settings);
    desk.commands();
    desk.sip(state(1, SubscriptionState::Active));
    desk.sip(notified(1, body));
    desk
}

fn messages(desk: &Desk, number: u32) -> Messages {
    desk.messages[&line(number)]
}

const TWO: &str = "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n";

#[test]
fn each_registered_line_subscribes_once() {
    let mut desk = Desk::new(voice_mail());
    assert_eq!(desk.commands(), [subscribe(1)]);
    desk.sip(Event::Line(line(1), LineState::Registering { last_error: String::new() }));
    desk.sip(Event::Line(line(1), registered()));
    assert_eq!(desk.commands(), []);
    desk.sip(Event::Line(line(3), registered()));
    assert_eq!(desk.commands(), [subscribe(3)]);
}

#[test]
fn without_the_wish_nobody_subscribes() {
    let mut desk = Desk::new(factory());
    assert_eq!((desk.commands(), messages(&desk, 1)), (vec![], Messages::default()));
    desk.input(Input::Settings(Box::new(voice_mail())));
    assert_eq!(desk.commands(), [subscribe(1)]);
    desk.input(Input::Settings(Box::new(factory())));
    assert_eq!(desk.commands(), [Command::Unsubscribe(key(1))]);
}

#[test]
fn what_the_server_says_is_shown_and_lights_the_lamp() {
    let mut desk = told(voice_mail(), TWO);
    assert_eq!(messages(&desk, 1), Messages { waiting: true, new: 2, old: 8, mailbox: SubscriptionProgress::Active });
    assert_eq!(desk.lamp("message"), "on");
    desk.sip(notified(1, "Messages-Waiting: no\r\nVoice-Message: 0/10\r\n"));
    assert_eq!(messages(&desk, 1), Messages { waiting: false, new: 0, old: 10, mailbox: SubscriptionProgress::Active });
    assert_eq!(desk.lamp("message"), "off");
}

#[test]
fn one_mailbox_of_any_line_is_enough_for_the_lamp() {
    let mut desk = told(voice_mail(), "Messages-Waiting: no\r\n");
    desk.sip(Event::Line(line(2), registered()));
    desk.sip(notified(2, TWO));
    assert_eq!((desk.lamp("message"), messages(&desk, 2).new), ("on", 2));
    desk.sip(Event::Line(line(2), LineState::Disabled));
    assert_eq!((desk.lamp("message"), messages(&desk, 2)), ("off", Messages::default()));
    assert_eq!(desk.commands().last(), Some(&Command::Unsubscribe(key(2))));
}

/// B199, also when the setting changes after the message has come.
#[test]
fn a_voice_message_line_is_needed_or_not() {
    let bare = "Messages-Waiting: yes\r\n";
    let mut desk = told(voice_mail(), bare);
    assert_eq!((messages(&desk, 1).waiting, desk.lamp("message")), (false, "off"));
    desk.input(Input::Settings(Box::new(TelephoneSettings { voice_message_counted: false, ..voice_mail() })));
    assert_eq!((messages(&desk, 1).waiting, desk.lamp("message")), (true, "on"));
    desk.sip(notified(1, TWO));
    assert_eq!((messages(&desk, 1).waiting, messages(&desk, 1).new), (true, 2));
}

/// What was said stays while the server is away; a server that refuses us for good says nothing any more.
#[test]
fn the_lamp_stays_while_the_server_is_away() {
    let mut desk = told(voice_mail(), TWO);
    desk.sip(state(1, SubscriptionState::Asking { last_error: "no answer".into() }));
    assert_eq!((desk.lamp("message"), messages(&desk, 1).mailbox), ("on", SubscriptionProgress::Asking));
    desk.sip(state(1, SubscriptionState::Refused { reason: "403".into() }));
    assert_eq!(
        (desk.lamp("message"), messages(&desk, 1)),
        ("off", Messages { mailbox: SubscriptionProgress::Refused, ..Messages::default() })
    );
}

#[test]
fn the_lamp_survives_a_restart() {
    let desk = told(voice_mail(), TWO);
    let mut phone: Phone = postcard::from_bytes(&postcard::to_stdvec(&desk.phone).unwrap()).unwrap();
    phone.restored(desk.now, voice_mail(), &[]);
    let mut after = Desk::of(phone, desk.now);
    assert_eq!((after.lamp("message"), messages(&after, 1)), ("on", messages(&desk, 1)));
    assert_eq!(after.commands(), [], "the stack keeps the subscription up");
}

#[test]
fn what_is_no_summary_of_a_mailbox_changes_nothing() {
    let mut desk = told(voice_mail(), TWO);
    let other = SubscriptionKey { event: "dialog".into(), ..key(1) };
    let kind = "application/simple-message-summary".to_owned();
    let none = b"Messages-Waiting: no\r\n".to_vec();
    desk.sip(Event::Notified { key: other, content_type: kind, body: none.clone() });
    desk.sip(Event::Notified { key: key(1), content_type: "text/plain".into(), body: none });
    desk.sip(notified(1, "nonsense"));
    assert_eq!(messages(&desk, 1).new, 2);
    desk.sip(notified(2, TWO));
    desk.sip(told_unasked(2, TWO));
    assert!(!messages(&desk, 2).waiting, "the line is not in use");
}

/// Servers tell without being asked; B199 holds all the same, and a line that is switched off has no mailbox any more.
#[test]
fn what_a_server_tells_unasked_lights_the_lamp() {
    let mut desk = Desk::new(factory());
    desk.sip(told_unasked(1, "Messages-Waiting: yes\r\n"));
    assert_eq!((messages(&desk, 1).waiting, desk.lamp("message")), (false, "off"));
    desk.sip(told_unasked(1, TWO));
    assert_eq!(messages(&desk, 1), Messages { waiting: true, new: 2, old: 8, mailbox: SubscriptionProgress::Off });
    assert_eq!((desk.lamp("message"), desk.commands()), ("on", vec![]));
    desk.sip(Event::Line(line(1), LineState::Disabled));
    assert_eq!((desk.lamp("message"), messages(&desk, 1)), ("off", Messages::default()));
}

/// A server that refuses the question may tell of its own accord, and goes on doing so: what it said stays.
#[test]
fn a_refused_question_takes_nothing_back_of_what_the_server_told_unasked() {
    let mut desk = Desk::new(voice_mail());
    desk.sip(told_unasked(1, TWO));
    desk.sip(state(1, SubscriptionState::Refused { reason: "403".into() }));
    assert_eq!(messages(&desk, 1), Messages { waiting: true, new: 2, old: 8, mailbox: SubscriptionProgress::Refused });
    desk.input(Input::Settings(Box::new(factory())));
    assert_eq!((desk.lamp("message"), messages(&desk, 1).new), ("on", 2));
}
