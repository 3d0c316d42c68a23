//! A REFER of ours that outlives its call, that is never heard of again, and that meets a restart.

use sip_stack::{Command, ReferProgress, Start};

use super::{Lab, accepted, failed};

/// RFC 3515 2.4.4: the subscription has its time like any other (RFC 6665 4.1.2, timer N).
#[test]
fn a_refer_that_was_taken_and_is_never_heard_of_has_failed() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    lab.seconds(31);
    assert_eq!(lab.progress(), [accepted()]);
    lab.seconds(2);
    assert_eq!(lab.progress(), [accepted(), failed(0, "the far end does not say how it went")]);
    assert!(lab.goes_on() && lab.load().referrals == 0);
}

#[test]
fn a_notify_says_how_long_the_next_one_may_take() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    lab.notify("active;expires=100", "100 Trying");
    lab.seconds(95);
    lab.notify("active;expires=4000000000", "180 Ringing");
    lab.seconds(590);
    assert_eq!(lab.load().referrals, 1);
    lab.seconds(20);
    assert_eq!(lab.progress().last(), Some(&failed(0, "the far end does not say how it went")), "ten minutes at most");
}

#[test]
fn a_subscription_that_ends_without_a_last_word_has_failed() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    lab.notify("active", "180 Ringing");
    lab.notify("terminated;reason=giveup", "");
    assert_eq!(lab.progress().last(), Some(&failed(0, "the far end says no more: giveup")));
    assert_eq!(lab.load().referrals, 0);
}

/// What comes after the last word is answered and means nothing.
#[test]
fn a_last_word_before_the_subscription_ends_is_told_once() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    lab.notify("active;expires=30", "200 OK");
    assert_eq!(lab.notify("active;expires=30", "503 Service Unavailable"), [200]);
    assert_eq!(lab.progress(), [accepted(), ReferProgress::Succeeded]);
    lab.seconds(40);
    assert_eq!((lab.progress().len(), lab.load().referrals), (2, 0));
}

/// RFC 5057: the dialog is there until its last usage has gone.
#[test]
fn notifies_are_heard_after_the_call_has_ended() {
    for by_us in [true, false] {
        let mut lab = Lab::new();
        let refer = lab.refer("300");
        lab.reply(&refer, 202, &[]);
        if by_us {
            lab.command(Command::Hangup(lab.call));
            let bye = lab.request("BYE");
            lab.reply(&bye, 200, &[]);
        } else {
            assert_eq!(lab.ask("BYE", "", ""), [200]);
        }
        assert_eq!(lab.load().calls, 0);
        assert_eq!(lab.notify("active;expires=60", "180 Ringing"), [200]);
        assert_eq!(lab.ask("INFO", "", ""), [481], "the call itself is gone");
        let old = testbed::virtual_net::peer::Caller { cseq: 1, ..lab.called.caller.clone() };
        old.send(&mut lab.called.net, "NOTIFY", "old", "Event: refer\r\nSubscription-State: active\r\n", "");
        assert_eq!(lab.called.titles(), ["500 NOTIFY"], "out of order");
        assert_eq!(lab.notify("terminated;reason=noresource", "200 OK"), [200]);
        assert_eq!(lab.progress().last(), Some(&ReferProgress::Succeeded));
        assert_eq!(lab.notify("terminated", "200 OK"), [481]);
        lab.called.over();
    }
}

#[test]
fn a_refer_whose_answer_comes_after_the_hangup_is_followed_to_its_end() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.command(Command::Hangup(lab.call));
    let bye = lab.request("BYE");
    lab.reply(&bye, 200, &[]);
    lab.reply(&refer, 202, &[]);
    assert_eq!(lab.progress(), [accepted()]);
    lab.called.over();
    assert_eq!(lab.progress().len(), 2);
}

#[test]
fn a_restart_forgets_no_referral() {
    let mut lab = Lab::new();
    lab.command(Command::Hold(lab.call));
    lab.refer_to("300");
    assert_eq!(lab.called.net.restart(0), Start::Restored);
    let hold = lab.request("INVITE");
    let sdp = format!("{}a=recvonly\r\n", lab.called.caller.sdp(testbed::virtual_net::peer::PCMU));
    let ok = testbed::virtual_net::peer::with_sdp(testbed::virtual_net::peer::answer(&hold, 200, ""), &sdp);
    lab.say(&ok);
    let refer = lab.request("REFER");
    assert_eq!(lab.called.net.restart(0), Start::Restored);
    lab.reply(&refer, 202, &[]);
    assert_eq!(lab.called.net.restart(0), Start::Restored);
    assert_eq!(lab.notify("terminated;reason=noresource", "200 OK"), [200]);
    assert_eq!(lab.progress(), [ReferProgress::Succeeded]);
    assert!(lab.goes_on());
}
