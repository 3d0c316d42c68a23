//! Do-not-disturb and forwarding that a line's server keeps as well: who is right, and who is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod server;

use server::{FEATURES, Story, dnd, forward, key, multipart};
use sip_stack::{Command, Diverted, SubscriptionState, SubscriptionWish};
use telephone::{Forward, Phone, SubscriptionProgress, Written};
use testbed::desk::{Desk, line, registered};

fn to(number: &str) -> Forward {
    Forward { enabled: true, to: number.into() }
}

/// Without the wish nobody asks, and changes stay here.
#[test]
fn the_line_subscribes_where_that_is_wanted() {
    let accept = vec![FEATURES.to_owned(), "multipart/mixed".to_owned()];
    let wish = SubscriptionWish { accept, ..SubscriptionWish::default() };
    let mut story = Story::new();
    assert_eq!(story.desk.commands(), [Command::Subscribe { key: key(), wish, body: None }]);
    story.settings.feature_sync[0] = false;
    story.configure();
    assert_eq!(story.desk.commands(), [Command::Unsubscribe(key())]);
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.desk.commands(), []);
}

/// Also where the phone was changed before the server has said anything.
#[test]
fn the_server_is_right_at_the_first_registration() {
    let mut story = Story::new();
    story.change(|rows| {
        rows.do_not_disturb = true;
        rows.forwarding.all = to("300");
        rows.forwarding.busy = to("301");
    });
    let said = [
        dnd(false),
        forward("forwardImmediate", false, "", None),
        forward("forwardBusy", false, "500", None),
        forward("forwardNoAns", true, "501", Some(5)),
    ];
    story.notified(&multipart(&said));
    story.state(SubscriptionState::Active);
    let written = story.written();
    assert!(!written.do_not_disturb);
    assert_eq!(written.forwarding.all, Forward { enabled: false, to: "300".into() }, "the number of what is off is not lost");
    assert_eq!(written.forwarding.busy, Forward { enabled: false, to: "500".into() });
    assert_eq!((written.forwarding.no_answer.clone(), written.forwarding.rings), (to("501"), 5));
    assert_eq!(story.sent(), Vec::<String>::new(), "nothing of it is sent back");
}

#[test]
fn a_change_is_sent_and_what_the_server_answers_decides() {
    for taken in [true, false] {
        let mut story = Story::active(&[dnd(false)]);
        story.change(|rows| rows.do_not_disturb = true);
        assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
        assert_eq!(story.desk.writes(), [], "the person's row stands until the server has answered");
        story.notified(&dnd(taken));
        if taken {
            assert_eq!(story.desk.writes(), []);
        } else {
            assert!(!story.written().do_not_disturb);
        }
        story.desk.seconds(3600);
        assert_eq!((story.sent(), story.desk.writes()), (vec![], vec![]));
    }
}

#[test]
fn a_change_of_forwarding_is_sent_whole() {
    let off = |kind| forward(kind, false, "", None);
    let mut story = Story::active(&[off("forwardImmediate"), off("forwardBusy"), forward("forwardNoAns", false, "", Some(3))]);
    story.change(|rows| rows.forwarding.all = to("300"));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
    story.notified(&forward("forwardImmediate", true, "sip:300@example.com", None));
    story.change(|rows| rows.forwarding.busy.to = "301".into());
    assert_eq!(story.sent(), ["SetForwarding forwardBusy false 301 -"]);
    story.notified(&forward("forwardBusy", false, "301", None));
    story.change(|rows| rows.forwarding.rings = 4);
    assert_eq!(story.sent(), ["SetForwarding forwardNoAns false  4"]);
    story.notified(&forward("forwardNoAns", false, "", Some(4)));
    assert_eq!(story.desk.writes(), []);
}

/// What the server says is written, and the settings that come back with it are no change of a person's.
#[test]
fn what_the_server_says_is_written_and_not_sent_back() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    assert!(story.written().do_not_disturb);
    story.notified(&dnd(true));
    assert_eq!((story.sent(), story.desk.writes()), (vec![], vec![]), "an echo");
}

/// A server that says everything with each answer does not undo what it has not been asked for yet.
#[test]
fn two_changes_are_sent_one_after_the_other() {
    let off = forward("forwardImmediate", false, "", None);
    let mut story = Story::active(&[dnd(false), off.clone()]);
    story.change(|rows| {
        rows.do_not_disturb = true;
        rows.forwarding.all = to("300");
    });
    assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
    story.notified(&multipart(&[dnd(true), off]));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
    assert_eq!(story.desk.writes(), []);
    story.notified(&multipart(&[dnd(true), forward("forwardImmediate", true, "300", None)]));
    assert_eq!((story.sent(), story.desk.writes()), (vec![], vec![]));
}

#[test]
fn the_newest_of_two_changes_of_the_same_wins() {
    let mut story = Story::active(&[dnd(false)]);
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
    story.change(|rows| rows.do_not_disturb = false);
    assert_eq!(story.sent(), Vec::<String>::new(), "one at a time");
    story.notified(&dnd(true));
    assert_eq!((story.sent(), story.desk.writes()), (vec!["SetDoNotDisturb false".to_owned()], vec![]));
    story.notified(&dnd(false));
    assert_eq!((story.sent(), story.desk.writes()), (vec![], vec![]));
}

#[test]
fn a_server_that_does_not_answer_has_not_taken_it() {
    let mut story = Story::active(&[dnd(false)]);
    story.change(|rows| rows.do_not_disturb = true);
    story.desk.seconds(9);
    assert_eq!(story.desk.writes(), []);
    story.desk.seconds(1);
    assert!(!story.written().do_not_disturb);
    assert_eq!(story.sent(), ["SetDoNotDisturb true"], "once");
}

/// It is asked for what it has never spoken of; where it does not answer, that is the phone's alone.
#[test]
fn what_the_server_never_speaks_of_stays_here() {
    let mut story = Story::active(&[dnd(false)]);
    story.change(|rows| rows.forwarding.all = to("300"));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
    story.desk.seconds(60);
    assert_eq!(story.desk.writes(), []);
    let call = story.desk.invite(1);
    let elsewhere = Command::Forward { call, to: "300".into(), why: Diverted::Unconditional };
    assert_eq!(story.desk.commands(), [elsewhere]);
}

/// However often it changes its mind: the store wears.
#[test]
fn a_server_that_flaps_is_written_once_a_second() {
    let mut story = Story::active(&[dnd(false)]);
    let mut writes = 0;
    for flap in 0..100 {
        story.notified(&dnd(flap % 2 == 0));
        if !story.desk.writes.is_empty() {
            story.written();
            writes += 1;
        }
        story.desk.pass(std::time::Duration::from_millis(110));
    }
    assert!((5..=11).contains(&writes), "{writes}");
}

// Crossing changes.

/// The server changes its mind while its first word is being written: that word is no wish of a person.
#[test]
fn a_row_that_comes_late_is_not_sent_back() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    let first = story.desk.writes().pop().unwrap().1;
    story.notified(&dnd(false));
    assert_eq!(story.desk.writes(), [], "one at a time");
    story.change(|rows| *rows = first.clone());
    story.answer(Written::Done);
    story.desk.seconds(1);
    assert!(!story.written().do_not_disturb);
    assert_eq!(story.sent(), Vec::<String>::new());
}

/// A person changes a row while another one is being written, and the one that is being written.
#[test]
fn a_persons_change_during_a_write_is_sent() {
    let mut story = Story::active(&[dnd(false), forward("forwardImmediate", false, "", None)]);
    story.notified(&forward("forwardImmediate", true, "300", None));
    assert_eq!(story.desk.writes().len(), 1);
    story.change(|rows| rows.do_not_disturb = true);
    assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
    story.notified(&dnd(true));
    story.change(|rows| rows.forwarding.all = to("400"));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 400 -"]);
    // Somebody was faster than the write: it was not made.
    story.answer(Written::Failed);
    story.notified(&forward("forwardImmediate", true, "400", None));
    story.desk.seconds(60);
    assert_eq!((story.sent(), story.desk.writes()), (vec![], vec![]));
}

/// What is not being written is a person's, whatever it says.
#[test]
fn a_change_that_is_taken_back_during_a_write_is_sent_twice() {
    let off = forward("forwardImmediate", false, "", None);
    let mut story = Story::active(&[dnd(false), off]);
    story.notified(&dnd(true));
    assert_eq!(story.desk.writes().len(), 1);
    story.change(|rows| rows.forwarding.all = to("300"));
    story.change(|rows| rows.forwarding.all = Forward::default());
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
    story.notified(&forward("forwardImmediate", true, "300", None));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate false  -"]);
}

// Without the owner of the settings.

#[test]
fn a_write_that_fails_is_made_again() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    assert_eq!(story.desk.writes().len(), 1);
    story.answer(Written::Failed);
    story.desk.seconds(9);
    assert_eq!(story.desk.writes(), []);
    story.desk.seconds(1);
    assert!(story.written().do_not_disturb);
}

/// It was written before its owner died: the snapshot of the next life brings it, and nobody wished it.
#[test]
fn a_write_whose_answer_was_lost_is_no_change_of_a_persons() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    let rows = story.desk.writes().pop().unwrap().1;
    story.answer(Written::Failed);
    story.notified(&dnd(false));
    story.change(|own| *own = rows);
    assert_eq!(story.sent(), Vec::<String>::new());
    assert!(!story.written().do_not_disturb, "its owner is there");
}

#[test]
fn rows_that_are_refused_are_not_written_again() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    story.desk.writes();
    story.answer(Written::Refused);
    story.notified(&dnd(true));
    story.desk.seconds(3600);
    assert_eq!(story.desk.writes(), []);
    story.notified(&multipart(&[dnd(true), forward("forwardBusy", true, "300", None)]));
    assert_eq!(story.written().forwarding.busy, to("300"));
}

/// Whatever the row still says, the phone acts by what the server has said once it acts at all.
#[test]
fn without_the_owner_of_the_settings_the_phone_acts_by_what_the_server_said() {
    let mut story = Story::active(&[dnd(false)]);
    story.notified(&dnd(true));
    story.answer(Written::Failed);
    story.state(SubscriptionState::Asking { last_error: "no answer".into() });
    story.desk.commands();
    let call = story.desk.invite(1);
    assert_eq!(story.desk.commands(), [Command::Reject(call, 403)]);
}

// What can be read.

#[test]
fn a_destination_is_written_as_the_row_can_hold_it() {
    let long = "sip:a-destination-that-is-too-long-for-it@example.com";
    let cases = [
        ("300", "300"),
        ("sip:300@example.com;user=phone", "300"),
        ("SIP:+4930123@example.com", "+4930123"),
        ("tel:+49-30-123;phone-context=x", "+49-30-123"),
        ("sip:ada@example.com", "ada@example.com"),
        (long, "4711"),
        ("", "4711"),
        ("3\u{e9}0", "4711"),
    ];
    for (said, row) in cases {
        let mut story = Story::new();
        story.change(|rows| rows.forwarding.all.to = "4711".into());
        story.notified(&forward("forwardImmediate", true, said, None));
        assert_eq!(story.written().forwarding.all, to(row), "{said}");
    }
}

/// B179: there is nothing that the rows could say.
#[test]
fn a_forwarding_without_a_destination_is_not_written() {
    let mut story = Story::active(&[forward("forwardImmediate", true, "", None)]);
    assert_eq!(story.desk.writes(), []);
    story.change(|rows| rows.forwarding.all = to("300"));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
}

#[test]
fn rings_are_written_as_the_row_can_hold_them() {
    for (said, row) in [(Some(0), 0), (Some(1), 2), (Some(20), 20), (Some(99), 20), (None, 3)] {
        let mut story = Story::active(&[forward("forwardNoAns", true, "300", said)]);
        assert_eq!(story.written().forwarding.rings, row, "{said:?}");
    }
}

#[test]
fn what_is_no_document_changes_nothing() {
    let mut story = Story::active(&[dnd(false)]);
    for (kind, body) in [("text/plain", dnd(true)), (FEATURES, "nonsense".into()), ("multipart/mixed", dnd(true)), ("", dnd(true))]
    {
        story.notified_as(kind, &body);
    }
    assert_eq!(story.desk.writes(), []);
}

// Over a restart.

#[test]
fn a_restart_loses_neither_a_wish_nor_a_word_of_the_server() {
    let mut story = Story::active(&[dnd(false), forward("forwardImmediate", false, "", None)]);
    story.change(|rows| {
        rows.do_not_disturb = true;
        rows.forwarding.all = to("300");
    });
    assert_eq!(story.sent(), ["SetDoNotDisturb true"]);
    story.notified(&forward("forwardBusy", true, "301", None));
    assert_eq!(story.desk.writes().len(), 1, "and nobody answers any more");
    let mut phone: Phone = postcard::from_bytes(&postcard::to_stdvec(&story.desk.phone).unwrap()).unwrap();
    phone.restored(story.desk.now, story.settings.clone(), &[]);
    story.desk = Desk::of(phone, story.desk.now);
    assert_eq!(story.sent(), Vec::<String>::new(), "the stack sends what was sent");
    assert_eq!(story.written().forwarding.busy, to("301"));
    assert_eq!(story.sync().progress, SubscriptionProgress::Active);
    story.notified(&dnd(true));
    assert_eq!(story.sent(), ["SetForwarding forwardImmediate true 300 -"]);
}

/// Each line has its own.
#[test]
fn lines_are_kept_apart() {
    let mut story = Story::active(&[dnd(false)]);
    story.settings.feature_sync[1] = true;
    story.configure();
    story.desk.sip(sip_stack::Event::Line(line(2), registered()));
    story.desk.commands();
    story.settings.screening.lines[1].do_not_disturb = true;
    story.configure();
    assert_eq!(story.desk.commands(), [], "line 2 has not heard of its server yet");
    story.notified(&dnd(true));
    assert_eq!(story.desk.writes().iter().map(|(line, _)| line.number()).collect::<Vec<_>>(), [1]);
}
