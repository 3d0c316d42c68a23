//! Do-not-disturb and forwarding that a line's server keeps as well: who acts on calls.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod server;

use server::{Story, dnd, forward, multipart};
use sip_stack::{Command, SubscriptionState};
use telephone::{FeatureSync, Forward, SubscriptionProgress};

fn to(number: &str) -> Forward {
    Forward { enabled: true, to: number.into() }
}

/// B187, B188: calls that the server lets through ring, with or without the phone's own rows.
#[test]
fn what_the_server_keeps_the_server_does() {
    let on = |kind, rings| forward(kind, true, "300", rings);
    let all = [dnd(true), on("forwardImmediate", None), on("forwardBusy", None), on("forwardNoAns", Some(2))];
    for said in &all {
        let mut story = Story::active(std::slice::from_ref(said));
        story.written();
        story.desk.commands();
        let first = story.desk.invite(1);
        story.desk.seconds(60);
        assert_eq!(story.desk.commands(), [Command::Ring(first)], "{said}");
        let second = story.desk.invite(1);
        assert_eq!(story.desk.commands(), [Command::Ring(second)], "{said}: it waits");
    }
}

#[test]
fn a_line_that_has_lost_its_subscription_acts_by_itself() {
    let mut story = Story::active(&[dnd(true)]);
    story.written();
    story.state(SubscriptionState::Asking { last_error: "no answer".into() });
    story.desk.commands();
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Reject(call, 403)]);
    story.notified(&dnd(true));
    story.state(SubscriptionState::Active);
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Ring(call)]);
}

/// The server that the line is at now keeps do-not-disturb and nothing else.
#[test]
fn a_new_subscription_may_speak_of_less() {
    let mut story = Story::active(&[dnd(false), forward("forwardImmediate", true, "300", None)]);
    story.written();
    story.state(SubscriptionState::Asking { last_error: String::new() });
    story.notified(&dnd(false));
    story.state(SubscriptionState::Active);
    story.desk.commands();
    let call = story.desk.invite(1);
    assert!(matches!(story.desk.commands()[..], [Command::Forward { call: of, .. }] if of == call));
}

#[test]
fn changes_made_without_the_server_are_sent_when_it_is_back() {
    let mut story = Story::active(&[dnd(false), forward("forwardImmediate", false, "", None)]);
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
    story.state(SubscriptionState::Asking { last_error: "forgotten".into() });
    story.change(|rows| rows.forwarding.all = to("300"));
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Reject(call, 403)], "the person's rows count");
    story.desk.seconds(600);
    story.notified(&multipart(&[dnd(false), forward("forwardImmediate", false, "", None)]));
    story.state(SubscriptionState::Active);
    assert_eq!((story.sent(), story.desk.writes()), (vec!["SetDoNotDisturb true".to_owned()], vec![]));
    story.notified(&dnd(true));
    assert_eq!((story.sent(), story.desk.writes()), (vec!["SetForwarding forwardImmediate true 300 -".to_owned()], vec![]));
}

#[test]
fn a_server_that_refuses_leaves_the_phone_to_itself() {
    let mut story = Story::active(&[dnd(false)]);
    let reason = "the server answered 403 Forbidden".to_owned();
    story.state(SubscriptionState::Refused { reason: reason.clone() });
    assert_eq!(story.sync(), FeatureSync { progress: SubscriptionProgress::Refused, error: reason });
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.sent(), Vec::<String>::new());
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Reject(call, 403)]);
}

/// The stack asks again, ever more seldom.
#[test]
fn a_server_that_does_not_know_the_package_leaves_the_phone_to_itself() {
    let mut story = Story::new();
    let last_error = "the server answered 489 Bad Event".to_owned();
    story.state(SubscriptionState::Asking { last_error: last_error.clone() });
    assert_eq!(story.sync(), FeatureSync { progress: SubscriptionProgress::Asking, error: last_error });
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.sent(), Vec::<String>::new());
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Reject(call, 403)]);
    story.state(SubscriptionState::Active);
    assert_eq!(story.sync(), FeatureSync { progress: SubscriptionProgress::Active, error: String::new() });
}
