//! What a dial plan makes of digits (guide, 6.6), without a phone around it.
#![allow(clippy::unwrap_used, missing_docs)]

use telephone::DialPlan;
use telephone::dial_plan::{Pause, Ruling};

/// C20, C21.
const EXAMPLE: &str = "[2346789]11|01[2-9]x.|[2-9]xxxxxxxxx";

fn calls_anyway(text: &str) -> DialPlan {
    DialPlan::parse(text, false).unwrap()
}

fn filters(text: &str) -> DialPlan {
    DialPlan::parse(text, true).unwrap()
}

fn call(number: &str) -> Ruling {
    Ruling::Call(number.into())
}

const PAUSE: Ruling = Ruling::Wait(Pause::InterDigit);

/// Keys digit after digit; every one but the last must find the phone waiting. What becomes of the last.
fn keyed(plan: &DialPlan, digits: &str) -> Ruling {
    for end in 1..digits.len() {
        assert!(matches!(plan.while_keying(&digits[..end]), Ruling::Wait(_)), "{} of {digits}", &digits[..end]);
    }
    plan.while_keying(digits)
}

fn whole(plan: &DialPlan, digits: &str) -> Option<String> {
    plan.when_whole(digits)
}

fn some(number: &str) -> Option<String> {
    Some(number.to_owned())
}

/// B221 to B224, B230: whichever form the digits take, they are called at once.
#[test]
fn a_number_of_the_form_is_called_at_once() {
    for (plan, numbers) in [
        ("123", &["123"][..]),
        ("12xxxxx", &["1234567", "1200000"]),
        ("12XXXXX", &["1234567"]),
        ("[123]", &["1", "2", "3"]),
        ("[1-5]", &["1", "3", "5"]),
        ("[*0-27]#", &["*#", "1#", "7#"]),
        ("1xxxx|2xxx", &["12345", "2345"]),
        ("+49x", &["+491"]),
    ] {
        for number in numbers {
            assert_eq!(keyed(&filters(plan), number), call(number), "{plan}");
            assert_eq!(whole(&filters(plan), number), some(number), "{plan}");
        }
    }
    for (plan, other) in [("12xxxxx", "12345*7"), ("[123]", "4"), ("[1-5]", "6"), ("1xxxx|2xxx", "3"), ("123", "124")] {
        assert_eq!(filters(plan).while_keying(other), Ruling::Deny, "{plan}");
        assert_eq!(whole(&filters(plan), other), None, "{plan}");
    }
}

/// B225, C22: once or more, and then there may always be one more.
#[test]
fn a_repeated_position_is_called_when_nothing_follows() {
    let plan = filters("1.");
    for number in ["1", "11", "111", &"1".repeat(64)] {
        assert_eq!((keyed(&plan, number), whole(&plan, number)), (PAUSE, some(number)));
    }
    assert_eq!(plan.while_keying("112"), Ruling::Deny);
    assert_eq!(filters("12.3").while_keying("13"), Ruling::Deny, "at least one 2");
    assert_eq!(keyed(&filters("12.3"), "12223"), call("12223"), "nothing can follow");
}

/// B226.
#[test]
fn substituted_digits_are_called_instead() {
    for (plan, keyed_number, called) in [
        ("<101:9999>", "101", "9999"),
        ("<9:>xxx", "9123", "123"),
        ("<:0049>[1-9]xx", "123", "0049123"),
        ("1<2:0>3", "123", "103"),
        ("<x:7>x<3:>", "123", "72"),
        ("1x<:*>", "12", "12*"),
        ("<1:2><3:4>", "13", "24"),
    ] {
        assert_eq!(keyed(&filters(plan), keyed_number), call(called), "{plan}");
        assert_eq!(whole(&filters(plan), keyed_number), some(called), "{plan}");
    }
    assert_eq!(whole(&filters("<0:0049>[1-9]x."), "08912"), some("00498912"));
    assert_eq!(whole(&filters("x.<9:0>"), "1999"), some("1990"), "the . takes what it can");
    assert_eq!(whole(&filters("1.<1:2>1."), "1111"), some("1121"), "the earlier . takes what it can");
    assert_eq!(whole(&calls_anyway("<101:>"), "101"), None, "nothing is left to call");
}

/// B227, C23.
#[test]
fn s_waits_so_many_seconds() {
    for plan in ["1x.S2", "1x.s2"] {
        let plan = filters(plan);
        assert_eq!(plan.while_keying("1"), PAUSE, "one more digit is needed");
        assert_eq!(whole(&plan, "1"), None);
        for number in ["12", "123", "1234567"] {
            assert_eq!((plan.while_keying(number), whole(&plan, number)), (Ruling::Wait(Pause::Seconds(2)), some(number)));
        }
    }
    assert_eq!(filters("123S0").while_keying("123"), Ruling::Wait(Pause::Seconds(0)));
}

/// B228.
#[test]
fn t_waits_for_the_timer_of_the_dial_plan() {
    for plan in ["1x.T", "1x.t", "12T"] {
        assert_eq!(filters(plan).while_keying("12"), Ruling::Wait(Pause::Macro));
        assert_eq!(whole(&filters(plan), "12"), some("12"));
    }
}

/// B229: whether numbers without a match are called or not.
#[test]
fn a_rejecting_plan_denies_what_it_matches() {
    for plan in [filters("123xxx!"), calls_anyway("123xxx!")] {
        assert_eq!(keyed(&plan, "123456"), Ruling::Deny);
        assert_eq!(whole(&plan, "123456"), None);
    }
    assert_eq!(whole(&calls_anyway("123xxx!"), "12345"), some("12345"));
    assert_eq!(whole(&calls_anyway("1x.!S2"), "123"), None);
    assert_eq!(calls_anyway("1x.!S2").while_keying("123"), Ruling::Wait(Pause::Seconds(2)));
}

/// Decision 32.
#[test]
fn of_several_that_match_the_narrowest_counts() {
    // What can take no more digits goes before what can, wherever it stands.
    for plan in ["1x.S9|<123:5>", "<123:5>|1x.S9", "1x.!|<123:5>"] {
        assert_eq!(keyed(&filters(plan), "123"), call("5"), "{plan}");
    }
    // Then a rejecting one, wherever it stands.
    for plan in ["1xx|123!", "123!|1xx"] {
        assert_eq!(keyed(&filters(plan), "123"), Ruling::Deny, "{plan}");
        assert_eq!(keyed(&filters(plan), "124"), call("124"), "{plan}");
    }
    // Then the first.
    assert_eq!(keyed(&filters("<1:7>xx|<1:8>xx"), "123"), call("723"));
    // A rejected number may be the beginning of another one.
    let plan = calls_anyway("0!|0xxx");
    assert_eq!((plan.while_keying("0"), whole(&plan, "0"), keyed(&plan, "0123")), (PAUSE, None, call("0123")));
}

/// B231, B232.
#[test]
fn of_the_example_a_complete_match_is_called_at_once() {
    for number in ["211", "911", "2123456789", "5987654321"] {
        for plan in [calls_anyway(EXAMPLE), filters(EXAMPLE)] {
            assert_eq!(keyed(&plan, number), call(number));
        }
    }
}

/// B233, C25.
#[test]
fn of_the_example_a_match_with_a_repeat_is_called_when_nothing_follows() {
    for number in ["01254", "012556"] {
        for plan in [calls_anyway(EXAMPLE), filters(EXAMPLE)] {
            assert_eq!((keyed(&plan, number), whole(&plan, number)), (PAUSE, some(number)));
        }
    }
}

/// B234, B236, B240, B241: web Yes is file N.
#[test]
fn of_the_example_a_partial_match_is_called_when_nothing_follows_where_calls_are_made_anyway() {
    for number in ["21", "91", "21234567", "598765432"] {
        assert_eq!((keyed(&calls_anyway(EXAMPLE), number), whole(&calls_anyway(EXAMPLE), number)), (PAUSE, some(number)));
    }
}

/// B235, B237, B240, C3, C24: web No is file Y.
#[test]
fn of_the_example_a_partial_match_is_denied_when_nothing_follows_where_numbers_are_filtered() {
    for number in ["21", "91", "21234567", "598765432"] {
        assert_eq!((keyed(&filters(EXAMPLE), number), whole(&filters(EXAMPLE), number)), (PAUSE, None));
    }
}

/// B238, B239, C24.
#[test]
fn of_the_example_what_matches_nothing_is_called_when_nothing_follows_or_denied_at_once() {
    for number in ["0011", "1011"] {
        assert_eq!((keyed(&calls_anyway(EXAMPLE), number), whole(&calls_anyway(EXAMPLE), number)), (PAUSE, some(number)));
        assert_eq!(whole(&filters(EXAMPLE), number), None);
    }
    assert_eq!((keyed(&filters(EXAMPLE), "00"), keyed(&filters(EXAMPLE), "1")), (Ruling::Deny, Ruling::Deny));
}

/// B219, B220, C26.
#[test]
fn a_plan_has_at_most_500_characters_40_formats_and_32_positions() {
    let parses = |text: &str| DialPlan::parse(text, false).is_some();
    assert!(parses(&vec!["1"; 40].join("|")) && !parses(&vec!["1"; 41].join("|")));
    assert!(parses(&"x".repeat(32)) && !parses(&"x".repeat(33)));
    assert!(parses(&format!("<1:{}>", "2".repeat(496))) && !parses(&format!("<1:{}>", "2".repeat(497))));
    assert!(parses("0123456789[1-2]<1:*#+>!S1|0123456789xX.!s1|0T|0t|+*#"));
    assert_eq!(keyed(&filters(&"x".repeat(32)), &"1".repeat(32)), call(&"1".repeat(32)));
}

/// B224, C23.
#[test]
fn a_text_that_is_no_plan_is_none() {
    for text in ["[12-21]", "[3-1]", "[1-", "[]", "[1-]", "1xS", "1xSx", "1S23", "1T2", "1!2", "1T!", ".1", "x..", "1]", "1 2", "a"]
    {
        assert_eq!(DialPlan::parse(text, false), None, "{text}");
    }
    for text in ["<101>", "<1:2", "1:2>", "<1:2>.", "<1:x>", "<1.:2>", "<:9>", "T", "!", "S3", "1|T", "é"] {
        assert_eq!(DialPlan::parse(text, false), None, "{text}");
    }
}

/// An empty text is no plan, also where numbers are filtered: there is nothing to filter by.
#[test]
fn without_a_plan_everything_is_called_when_it_is_whole() {
    for plan in [filters(""), calls_anyway(""), filters("|"), DialPlan::default()] {
        assert_eq!((plan.while_keying("112"), whole(&plan, "112")), (PAUSE, some("112")));
    }
    assert_eq!(filters("|1").while_keying("2"), Ruling::Deny);
}

#[test]
fn what_is_no_plain_number_is_not_touched() {
    let plan = filters("<1:2>");
    for target in ["sip:1@example.com", "alice", "tel:1", "1-1"] {
        assert_eq!(whole(&plan, target), some(target));
    }
    assert_eq!(whole(&plan, "1"), some("2"));
}
