//! From keys and requests to the INVITE where the line has a dial plan (guide, 6.6).
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use proptest::prelude::*;
use sip_stack::{Command, EndedBy, Event, LineState};
use telephone::{DialPlan, Input, Refusal, Request, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

/// Plans of the lines 1, 2 ...; numbers that no format matches are denied.
fn filtering(plans: &[&str]) -> TelephoneSettings {
    planned(plans, true)
}

fn planned(plans: &[&str], filters: bool) -> TelephoneSettings {
    let mut settings = factory();
    for (line, text) in settings.dial_plans.iter_mut().zip(plans) {
        *line = DialPlan::parse(text, filters).unwrap();
    }
    settings
}

/// The handset is lifted.
fn lifted(settings: TelephoneSettings) -> Desk {
    let mut desk = Desk::new(settings);
    desk.lift();
    desk
}

fn key(desk: &mut Desk, digits: &str) {
    for digit in digits.chars() {
        desk.key(&digit.to_string());
    }
}

fn hang_up(desk: &mut Desk) {
    let call = *desk.calls.keys().next_back().unwrap();
    desk.put_down();
    desk.ended(call, 487, EndedBy::Local);
    desk.commands();
}

/// Nothing is called before the time is over, and then this.
fn called_after(desk: &mut Desk, seconds: u64, number: &str) {
    desk.pass(Duration::from_millis(seconds * 1000 - 1));
    assert_eq!(desk.commands(), []);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.dialed().2, number);
}

fn denied(desk: &mut Desk) {
    assert_eq!((desk.commands(), desk.tone(), desk.pending_digits.as_str()), (vec![], Some("reorder"), ""));
}

/// B221, B226, B231.
#[test]
fn a_number_of_the_plan_is_called_with_its_last_digit() {
    let mut desk = lifted(filtering(&["<101:9999>|[2346789]11"]));
    key(&mut desk, "91");
    assert_eq!((desk.commands(), desk.pending_digits.as_str()), (vec![], "91"));
    key(&mut desk, "1");
    assert_eq!(desk.dialed().2, "911");
    hang_up(&mut desk);
    desk.lift();
    key(&mut desk, "101");
    let (call, _, target) = desk.dialed();
    assert_eq!((target.as_str(), desk.view(call).remote.number.as_str()), ("9999", "9999"));
}

/// B227, B228, C23: each digit begins the wait anew.
#[test]
fn the_wait_of_the_plan_begins_anew_with_each_digit() {
    for (plan, seconds) in [("1x.S2", 2), ("1x.T", 7), ("1x.", 5)] {
        let mut desk = lifted(TelephoneSettings { macro_digit: Duration::from_secs(7), ..filtering(&[plan]) });
        key(&mut desk, "12");
        desk.pass(Duration::from_millis(seconds * 1000 - 1));
        key(&mut desk, "3");
        called_after(&mut desk, seconds, "123");
    }
    let mut desk = lifted(filtering(&["12S0"]));
    key(&mut desk, "12");
    assert_eq!(desk.dialed().2, "12");
}

/// B229, B239, C24: the failure tone at once, and nothing is sent; it ends as it does when a call fails.
#[test]
fn what_the_plan_denies_ends_in_the_failure_tone() {
    for (plan, digits) in [("123xxx!", "123456"), ("[2346789]11", "0"), ("01x.", "00")] {
        let mut desk = lifted(filtering(&[plan]));
        key(&mut desk, digits);
        denied(&mut desk);
        key(&mut desk, "1");
        denied(&mut desk);
        desk.seconds(10);
        assert_eq!(desk.tone(), None);
    }
}

/// B235, B237, C24: not before the digits end.
#[test]
fn a_number_that_is_too_short_is_denied_when_it_ends() {
    for end in ["pound", "enter", "time"] {
        let mut desk = lifted(filtering(&["[2346789]11"]));
        key(&mut desk, "21");
        assert_eq!(desk.tone(), None);
        if end == "time" {
            desk.seconds(5)
        } else {
            desk.key(end)
        }
        denied(&mut desk);
    }
}

/// B234, B236, B238, B241: whoever does not filter calls all that was keyed, and at once when the person says that it is whole.
#[test]
fn where_calls_are_made_anyway_the_end_of_dialing_sends_all_digits() {
    for digits in ["21", "0011"] {
        for end in ["pound", "enter", "time"] {
            let mut desk = lifted(planned(&["[2346789]11"], false));
            key(&mut desk, digits);
            if end == "time" {
                desk.seconds(5)
            } else {
                desk.key(end)
            }
            assert_eq!(desk.dialed().2, digits);
        }
    }
}

/// B233, C25: the end of dialing does not wait for the timer of a match.
#[test]
fn a_match_is_called_when_the_person_says_that_it_is_whole() {
    for end in ["pound", "enter"] {
        let mut desk = lifted(filtering(&["<0:0049>x.T"]));
        key(&mut desk, "089");
        desk.key(end);
        assert_eq!(desk.dialed().2, "004989");
    }
}

/// C27: where # does not end dialing it is a digit of the plan.
#[test]
fn pound_may_be_a_digit_of_the_plan() {
    let mut desk = lifted(TelephoneSettings { pound_ends_dialing: false, ..filtering(&["*21*x.#"]) });
    desk.keys(&["star", "2", "1", "star", "7", "pound"]);
    assert_eq!(desk.dialed().2, "*21*7#");
    let mut desk = lifted(filtering(&["#x"]));
    desk.keys(&["pound", "7"]);
    assert_eq!(desk.dialed().2, "#7", "the first one is always a digit");
}

/// B206, B241: what was keyed first is whole, whatever the plan would wait for.
#[test]
fn digits_keyed_first_are_planned_when_the_phone_is_picked_up() {
    for pick_up in ["lift", "speaker", "enter", "line-1"] {
        for (digits, called) in [("101", Some("9999")), ("1012", Some("1012")), ("10", None), ("5", None)] {
            let mut desk = Desk::new(filtering(&["<101:9999>|1012x.T"]));
            desk.sip(Event::Line(line(1), registered()));
            key(&mut desk, if digits == "1012" { "10123" } else { digits });
            assert_eq!((desk.commands(), desk.tone()), (vec![], None));
            if pick_up == "lift" {
                desk.lift()
            } else {
                desk.key(pick_up)
            }
            match called {
                Some("1012") => assert_eq!(desk.dialed().2, "10123"),
                Some(number) => assert_eq!(desk.dialed().2, number),
                None => denied(&mut desk),
            }
        }
    }
}

/// What was keyed is kept, so that the number is changed once and not once more.
#[test]
fn redial_plans_what_was_keyed_and_not_what_was_called() {
    let mut desk = lifted(filtering(&["<1:11>x.S1"]));
    key(&mut desk, "12");
    desk.seconds(1);
    assert_eq!(desk.dialed().2, "112");
    hang_up(&mut desk);
    for _ in 0..2 {
        desk.key("redial");
        assert_eq!(desk.dialed().2, "112");
        desk.key("cancel");
        let call = *desk.calls.keys().next_back().unwrap();
        desk.ended(call, 487, EndedBy::Local);
        desk.commands();
    }
    desk.input(Input::Settings(Box::new(filtering(&["3x"]))));
    desk.key("redial");
    denied(&mut desk);
}

#[test]
fn the_plan_is_that_of_the_line() {
    let mut settings = filtering(&["1xxx", "<1:2>x.S1"]);
    settings.default_line = line(2);
    let mut desk = Desk::new(settings);
    desk.sip(Event::Line(line(2), registered()));
    desk.lift();
    key(&mut desk, "12");
    desk.seconds(1);
    let (_, on, number) = desk.dialed();
    assert_eq!((on, number.as_str()), (line(2), "22"));
}

/// The digits go to the other line with what its plan says of them.
#[test]
fn a_line_key_takes_the_digits_to_the_plan_of_the_other_line() {
    let taken = |digits: &str| {
        let mut desk = Desk::new(filtering(&["xxxx", "12|5x.S1|[5-7]xxx"]));
        desk.sip(Event::Line(line(2), registered()));
        desk.lift();
        key(&mut desk, digits);
        desk.key("line-2");
        desk
    };
    let mut desk = taken("12");
    assert_eq!((desk.dialed().1, desk.tone()), (line(2), None));
    denied(&mut taken("13"));
    let mut desk = taken("51");
    assert_eq!((desk.commands(), desk.pending_digits.as_str()), (vec![], "51"));
    called_after(&mut desk, 1, "51");
    let mut desk = taken("61");
    key(&mut desk, "11");
    assert_eq!(desk.dialed().1, line(2));
}

/// A number as if it were keyed as a whole; a SIP URI as it is. B240.
#[test]
fn the_plan_applies_to_numbers_of_the_bus() {
    let mut desk = Desk::new(filtering(&["<101:9999>|2x.T"]));
    let dial = |desk: &mut Desk, target: &str| desk.request(Request::Dial { line: None, target: target.into() });
    for (target, called) in [("101", "9999"), ("2345", "2345"), ("sip:101@example.com", "sip:101@example.com")] {
        let call = dial(&mut desk, target).unwrap().unwrap();
        assert_eq!(desk.dialed().2, called);
        desk.request(Request::Hangup(call)).unwrap();
        desk.ended(call, 487, EndedBy::Local);
        desk.commands();
        desk.key("redial");
        assert_eq!(desk.dialed().2, called, "redial");
        desk.key("cancel");
        let call = *desk.calls.keys().next_back().unwrap();
        desk.ended(call, 487, EndedBy::Local);
        desk.commands();
    }
    let refused = dial(&mut desk, "10").unwrap_err();
    assert_eq!(refused, Refusal::NumberDenied("the dial plan of line 1 does not let 10 be called (DIAL_PLAN_1)".into()));
    assert_eq!((desk.commands(), desk.tone()), (vec![], None));
    desk.input(Input::Settings(Box::new(planned(&["<101:9999>|2x.T"], false))));
    assert!(dial(&mut desk, "10").is_ok());
}

/// Digits that were keyed under another plan are judged by the one that counts now; the wait that runs goes on.
#[test]
fn settings_may_change_while_digits_are_collected() {
    let mut desk = lifted(filtering(&["xxxx"]));
    key(&mut desk, "12");
    desk.input(Input::Settings(Box::new(filtering(&["<12:34>xS1"]))));
    assert_eq!((desk.commands(), desk.pending_digits.as_str()), (vec![], "12"));
    key(&mut desk, "3");
    called_after(&mut desk, 1, "343");

    let mut desk = lifted(filtering(&["xxxx"]));
    key(&mut desk, "12");
    desk.input(Input::Settings(Box::new(factory())));
    called_after(&mut desk, 5, "12");

    let mut desk = lifted(factory());
    key(&mut desk, "12");
    desk.input(Input::Settings(Box::new(filtering(&["3"]))));
    desk.seconds(5);
    denied(&mut desk);

    let mut desk = lifted(filtering(&["123"]));
    key(&mut desk, "12");
    desk.sip(Event::Line(line(1), LineState::Disabled));
    key(&mut desk, "3");
    denied(&mut desk);
}

#[test]
fn collected_digits_survive_a_restart() {
    let mut desk = lifted(filtering(&["<12:34>xS1"]));
    key(&mut desk, "12");
    let mut phone: telephone::Phone = postcard::from_bytes(&postcard::to_stdvec(&desk.phone).unwrap()).unwrap();
    phone.restored(desk.now, filtering(&["<12:34>xS1"]), &[]);
    let mut after = Desk::of(phone, desk.now);
    key(&mut after, "3");
    called_after(&mut after, 1, "343");
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Plan(String, bool),
    Dial(String),
    Seconds(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = "[0-9]|star|pound|enter|cancel|redial|message|flash|line-1|line-2|speaker";
    prop_oneof![
        12 => key.prop_map(Step::Key),
        2 => ("[-0-9\\[\\]<:>*#!SsTtXx.|+]{0,40}", any::<bool>()).prop_map(|(text, filters)| Step::Plan(text, filters)),
        1 => "\\PC{0,10}".prop_map(Step::Dial),
        2 => (0_u64..20).prop_map(Step::Seconds),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_plan_at_any_time_leaves_a_phone_that_goes_on(steps in prop::collection::vec(step(), 1..60)) {
        let mut desk = Desk::new(factory());
        desk.sip(Event::Line(line(2), registered()));
        for step in steps {
            match step {
                Step::Key(name) => desk.key(&name),
                Step::Plan(text, filters) => {
                    let plan = DialPlan::parse(&text, filters).unwrap_or_default();
                    desk.input(Input::Settings(Box::new(TelephoneSettings { dial_plans: std::array::from_fn(|_| plan.clone()), ..factory() })));
                }
                Step::Dial(target) => drop(desk.request(Request::Dial { line: None, target })),
                Step::Seconds(seconds) => desk.seconds(seconds),
            }
            for command in desk.commands() {
                if let Command::Dial { call, target, .. } = command {
                    prop_assert!(!target.is_empty());
                    desk.ended(call, 404, EndedBy::Remote);
                }
            }
        }
        desk.put_down();
        // Digits that were keyed hands-free are still dialed in the first round.
        for _ in 0..2 {
            desk.seconds(60);
            for call in desk.calls.keys().copied().collect::<Vec<_>>() {
                desk.ended(call, 404, EndedBy::Remote);
            }
        }
        desk.seconds(600);
        prop_assert_eq!((desk.calls_up, desk.tone(), desk.pending_digits.as_str()), (0, None, ""));
    }
}
