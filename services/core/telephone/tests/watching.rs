//! Whom a line watches: who subscribes when, and what people see of those on the list (RFC 4662, RFC 4235).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use sip_stack::{Command, Event, LineState, SubscriptionKey, SubscriptionState, SubscriptionWish};
use telephone::{Input, Phone, SubscriptionProgress, TelephoneSettings, WatchedState, Watching};
use testbed::desk::{Desk, factory, line, registered};

use WatchedState::{Calling, Held, Idle, Pending, Ringing, Talking, Terminated, Unknown};

const LIST: &str = "sip:colleagues@example.com";

fn watching(list: &str) -> TelephoneSettings {
    let mut settings = factory();
    settings.resource_lists[0] = list.to_owned();
    settings
}

fn key(list: &str) -> SubscriptionKey {
    SubscriptionKey { line: line(1), event: "dialog".into(), resource: list.into() }
}

fn subscribe(list: &str) -> Command {
    let accept = ["application/rlmi+xml", "multipart/related", "application/dialog-info+xml"].map(str::to_owned).into();
    Command::Subscribe { key: key(list), wish: SubscriptionWish { accept, ..SubscriptionWish::default() }, body: None }
}

/// A phone whose list the server holds; nothing has been said yet.
fn held() -> Desk {
    let mut desk = Desk::new(watching(LIST));
    assert_eq!(desk.commands(), [subscribe(LIST)]);
    state(&mut desk, SubscriptionState::Active);
    desk
}

fn state(desk: &mut Desk, state: SubscriptionState) {
    desk.sip(Event::Subscription { key: key(LIST), state });
}

fn shown(desk: &Desk) -> Watching {
    desk.watching[&line(1)].clone()
}

/// The users and what they do.
fn people(desk: &Desk) -> Vec<(String, WatchedState)> {
    let user = |uri: &str| uri.trim_start_matches("sip:").split('@').next().unwrap().to_owned();
    shown(desk).people.into_iter().map(|one| (user(&one.uri), one.state)).collect()
}

fn are(desk: &Desk, wanted: &[(&str, WatchedState)]) {
    let wanted: Vec<(String, WatchedState)> = wanted.iter().map(|(user, state)| ((*user).to_owned(), *state)).collect();
    assert_eq!(people(desk), wanted);
}

/// Somebody on the list, with one instance in this state.
struct One<'a> {
    user: &'a str,
    instance: &'a str,
    state: &'a str,
    dialogs: Option<String>,
}

fn active<'a>(user: &'a str, dialogs: &str) -> One<'a> {
    One { user, instance: "i", state: "active", dialogs: Some(dialogs.to_owned()) }
}

fn silent<'a>(user: &'a str, state: &'a str) -> One<'a> {
    One { user, instance: "i", state, dialogs: None }
}

fn info(version: u32, state: &str, dialogs: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{state}\" \
         entity=\"sip:300@example.com\">{dialogs}</dialog-info>"
    )
}

fn dialog(id: &str, direction: &str, state: &str) -> String {
    format!("<dialog id=\"{id}\" direction=\"{direction}\"><state>{state}</state></dialog>")
}

/// All dialogs of somebody.
fn all(dialogs: &str) -> String {
    info(0, "full", dialogs)
}

fn tell(desk: &mut Desk, version: u32, full: bool, people: &[One<'_>]) {
    let mut list =
        format!("<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"{LIST}\" version=\"{version}\" fullState=\"{full}\">");
    let mut parts = String::new();
    for (at, one) in people.iter().enumerate() {
        let cid = one.dialogs.as_ref().map(|_| format!(" cid=\"{at}@x\"")).unwrap_or_default();
        let name = if full { format!("<name>Colleague {}</name>", one.user) } else { String::new() };
        list += &format!(
            "<resource uri=\"sip:{}@example.com\">{name}<instance id=\"{}\" state=\"{}\"{cid}/></resource>",
            one.user, one.instance, one.state
        );
        if let Some(dialogs) = &one.dialogs {
            parts += &format!("--b\r\nContent-ID: <{at}@x>\r\nContent-Type: application/dialog-info+xml\r\n\r\n{dialogs}\r\n");
        }
    }
    let body = format!("--b\r\nContent-ID: <l@x>\r\nContent-Type: application/rlmi+xml\r\n\r\n{list}</list>\r\n{parts}--b--\r\n");
    notified(desk, "multipart/related;type=\"application/rlmi+xml\";start=\"<l@x>\";boundary=b", &body);
}

fn notified(desk: &mut Desk, content_type: &str, body: &str) {
    desk.sip(Event::Notified { key: key(LIST), content_type: content_type.into(), body: body.into() });
}

#[test]
fn a_line_with_a_list_subscribes_once_it_is_registered() {
    let mut desk = Desk::new(factory());
    assert_eq!((desk.commands(), shown(&desk)), (vec![], Watching::default()));
    desk.input(Input::Settings(Box::new(watching(LIST))));
    assert_eq!(desk.commands(), [subscribe(LIST)]);
    desk.sip(Event::Line(line(1), LineState::Registering { last_error: String::new() }));
    desk.sip(Event::Line(line(1), registered()));
    desk.sip(Event::Line(line(2), registered()));
    assert_eq!(desk.commands(), [], "and no other line");
}

#[test]
fn another_list_ends_the_old_subscription_and_none_ends_it_for_good() {
    let mut desk = held();
    tell(&mut desk, 0, true, &[active("300", &all(""))]);
    let other = "sip:others@example.com";
    desk.input(Input::Settings(Box::new(watching(other))));
    assert_eq!(desk.commands(), [Command::Unsubscribe(key(LIST)), subscribe(other)]);
    assert_eq!(shown(&desk), Watching::default());
    tell(&mut desk, 1, true, &[active("301", &all(""))]);
    are(&desk, &[]);
    desk.input(Input::Settings(Box::new(factory())));
    assert_eq!(desk.commands(), [Command::Unsubscribe(key(other))]);
}

#[test]
fn each_state_of_a_call_is_shown() {
    let mut desk = held();
    let holds = "<dialog id=\"a\"><state>confirmed</state><local><target uri=\"sip:x\"><param pname=\"+sip.rendering\" pval=\"no\"/>\
                 </target></local></dialog>";
    let cases = [
        (dialog("a", "recipient", "trying"), Ringing),
        (dialog("a", "recipient", "early"), Ringing),
        ("<dialog id=\"a\"><state>early</state></dialog>".to_owned(), Ringing),
        (dialog("a", "initiator", "proceeding"), Calling),
        (dialog("a", "initiator", "confirmed"), Talking),
        (holds.to_owned(), Held),
        (dialog("a", "initiator", "terminated"), Idle),
        (String::new(), Idle),
    ];
    for (dialogs, wanted) in cases {
        tell(&mut desk, 0, true, &[active("300", &all(&dialogs))]);
        are(&desk, &[("300", wanted)]);
    }
    let two = [holds, &dialog("b", "recipient", "early"), &dialog("c", "recipient", "confirmed")].concat();
    tell(&mut desk, 0, true, &[active("300", &all(&two))]);
    are(&desk, &[("300", Ringing)]);
    assert_eq!((shown(&desk).people[0].name.as_str(), shown(&desk).list), ("Colleague 300", SubscriptionProgress::Active));
}

/// What is not known is not idle.
#[test]
fn who_is_not_watched_by_the_server_is_not_idle() {
    let mut desk = held();
    let none = One { user: "305", instance: "i", state: "odd", dialogs: None };
    let people = [silent("300", "pending"), silent("301", "terminated"), silent("302", "active"), active("303", "no XML"), none];
    tell(&mut desk, 0, true, &people);
    are(&desk, &[("300", Pending), ("301", Terminated), ("302", Unknown), ("303", Unknown), ("305", Unknown)]);
    let list = format!("<list uri=\"{LIST}\" version=\"1\" fullState=\"false\"><resource uri=\"sip:306@example.com\"/></list>");
    notified(&mut desk, "application/rlmi+xml", &list);
    assert_eq!(people_of(&desk, "306"), Unknown);
}

fn people_of(desk: &Desk, user: &str) -> WatchedState {
    people(desk).into_iter().find(|(of, _)| of == user).unwrap().1
}

/// RFC 4662 5.6.2: the others stay as they were, and a resource without news keeps its state.
#[test]
fn a_partial_list_changes_only_those_whom_it_names() {
    let mut desk = held();
    let talks = all(&dialog("a", "initiator", "confirmed"));
    tell(&mut desk, 0, true, &[active("300", &talks), active("301", &all(""))]);
    tell(&mut desk, 1, false, &[active("301", &all(&dialog("b", "recipient", "early")))]);
    are(&desk, &[("300", Talking), ("301", Ringing)]);
    tell(&mut desk, 2, false, &[silent("301", "active"), active("302", &all(""))]);
    are(&desk, &[("300", Talking), ("301", Ringing), ("302", Idle)]);
    tell(&mut desk, 3, false, &[silent("300", "terminated")]);
    assert_eq!((people_of(&desk, "300"), desk.commands()), (Terminated, vec![]));
    // The server has begun another subscription to them.
    let anew = One { user: "300", instance: "j", state: "active", dialogs: Some(all("")) };
    tell(&mut desk, 4, false, &[anew]);
    assert_eq!(people_of(&desk, "300"), Idle);
}

/// RFC 4235 4.3: a dialog that is not named goes on.
#[test]
fn partial_dialog_information_changes_only_the_dialogs_that_it_names() {
    let mut desk = held();
    let two = [dialog("a", "initiator", "confirmed"), dialog("b", "recipient", "early")].concat();
    tell(&mut desk, 0, true, &[active("300", &info(5, "full", &two))]);
    tell(&mut desk, 1, false, &[active("300", &info(6, "partial", &dialog("b", "recipient", "terminated")))]);
    are(&desk, &[("300", Talking)]);
    tell(&mut desk, 2, false, &[active("300", &info(7, "partial", &dialog("a", "initiator", "terminated")))]);
    are(&desk, &[("300", Idle)]);
    tell(&mut desk, 3, false, &[active("300", &info(8, "partial", &dialog("c", "recipient", "early")))]);
    tell(&mut desk, 4, false, &[active("300", &info(9, "full", &dialog("d", "recipient", "confirmed")))]);
    are(&desk, &[("300", Talking)]);
    assert_eq!(desk.commands(), []);
}

/// Who is not on a full list any more leaves, but not while the rest of it may still come: some servers split it.
#[test]
fn a_full_list_may_come_in_parts() {
    let mut desk = held();
    let idle = |user| active(user, "");
    let four = ["300", "301", "302", "303"].map(|user| active(user, &all("")));
    tell(&mut desk, 0, true, &four[..2]);
    tell(&mut desk, 1, true, &four[2..]);
    desk.seconds(10);
    assert_eq!(people(&desk).len(), 4);
    let parts = [["300", "301"].map(idle), ["302", "304"].map(idle)];
    tell(&mut desk, 2, true, &parts[0]);
    assert_eq!(people(&desk).len(), 4, "nobody is gone for a moment");
    tell(&mut desk, 3, true, &parts[1]);
    desk.seconds(10);
    are(&desk, &[("300", Idle), ("301", Idle), ("302", Idle), ("304", Unknown)]);
}

/// RFC 4662 5.6.2, RFC 4235 4.3: the whole is asked for, by a subscription of its own; and not without end.
#[test]
fn what_was_lost_is_asked_for_anew() {
    let again = [Command::Unsubscribe(key(LIST)), subscribe(LIST)];
    let mut desk = held();
    tell(&mut desk, 4, true, &[active("300", &info(1, "full", ""))]);
    tell(&mut desk, 6, false, &[active("300", &info(2, "partial", ""))]);
    assert_eq!(desk.commands(), again);
    tell(&mut desk, 9, false, &[active("300", &info(3, "partial", ""))]);
    assert_eq!(desk.commands(), [], "that was a moment ago");
    desk.seconds(60);
    tell(&mut desk, 10, false, &[active("300", &info(5, "partial", ""))]);
    assert_eq!(desk.commands(), again);
    // A server that counts anew has lost nothing, and a full state needs nothing before it.
    desk.seconds(60);
    tell(&mut desk, 0, false, &[active("300", &info(0, "partial", ""))]);
    tell(&mut desk, 7, true, &[active("300", &info(9, "full", ""))]);
    assert_eq!(desk.commands(), []);
}

/// An idle colleague and one of whom nobody says anything must not look the same.
#[test]
fn while_no_server_holds_the_subscription_nothing_is_known() {
    let mut desk = held();
    tell(&mut desk, 0, true, &[active("300", &all(""))]);
    state(&mut desk, SubscriptionState::Asking { last_error: "no answer".into() });
    are(&desk, &[("300", Unknown)]);
    assert_eq!(shown(&desk).list, SubscriptionProgress::Asking);
    state(&mut desk, SubscriptionState::Active);
    tell(&mut desk, 0, true, &[active("300", &all(&dialog("a", "recipient", "early")))]);
    are(&desk, &[("300", Ringing)]);
    state(&mut desk, SubscriptionState::Refused { reason: "403".into() });
    assert_eq!(shown(&desk), Watching { people: vec![], list: SubscriptionProgress::Refused });
}

#[test]
fn an_address_that_is_no_list_is_watched_by_itself() {
    let mut desk = held();
    notified(&mut desk, "application/dialog-info+xml", &info(0, "full", &dialog("a", "recipient", "early")));
    are(&desk, &[("300", Ringing)]);
    notified(&mut desk, "application/dialog-info+xml", &info(1, "partial", &dialog("a", "recipient", "confirmed")));
    are(&desk, &[("300", Talking)]);
}

#[test]
fn the_list_survives_a_restart() {
    let mut desk = held();
    tell(&mut desk, 0, true, &[active("300", &all(&dialog("a", "initiator", "confirmed"))), active("301", &all(""))]);
    let mut phone: Phone = postcard::from_bytes(&postcard::to_stdvec(&desk.phone).unwrap()).unwrap();
    phone.restored(desk.now, watching(LIST), &[]);
    let mut after = Desk::of(phone, desk.now);
    assert_eq!((shown(&after), after.commands()), (shown(&desk), vec![]));
    // Versions go on where they were.
    tell(&mut after, 1, false, &[active("300", &all(""))]);
    are(&after, &[("300", Idle), ("301", Idle)]);
    assert_eq!(after.commands(), []);
}

#[test]
fn what_is_no_news_of_the_list_changes_nothing() {
    let mut desk = held();
    tell(&mut desk, 0, true, &[active("300", &all(""))]);
    let before = shown(&desk);
    for (kind, body) in [
        ("text/plain", "nothing"),
        ("nonsense", ""),
        ("multipart/related", "without a boundary"),
        ("multipart/related;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nno list\r\n--b--\r\n"),
        ("application/rlmi+xml", "<list"),
        ("application/dialog-info+xml", "<other/>"),
    ] {
        notified(&mut desk, kind, body);
        assert_eq!(shown(&desk), before, "{kind}");
    }
    let stranger = SubscriptionKey { line: line(2), ..key(LIST) };
    desk.sip(Event::Notified { key: stranger, content_type: "application/rlmi+xml".into(), body: b"<list/>".to_vec() });
    assert_eq!(desk.watching[&line(2)], Watching::default());
}

/// A server gone mad fills neither memory nor screen.
#[test]
fn a_list_is_bounded() {
    let mut desk = held();
    let users: Vec<String> = (0..200).map(|number| format!("{number}{}", "9".repeat(400))).collect();
    let calls: String = (0..20).map(|number| dialog(&number.to_string().repeat(200), "recipient", "early")).collect();
    let people: Vec<One<'_>> = users.iter().map(|user| active(user, &all(&calls))).collect();
    for (version, part) in people.chunks(4).enumerate() {
        tell(&mut desk, u32::try_from(version).unwrap(), true, part);
    }
    let watched = shown(&desk).people;
    assert_eq!((watched.len(), watched[63].state), (64, Ringing));
    assert!(watched.iter().all(|one| one.uri.len() == 255 && one.name.len() == 64));
    assert!(postcard::to_stdvec(&desk.phone).unwrap().len() < 128 * 1024);
    // Others come in their place.
    desk.seconds(5);
    tell(&mut desk, 99, true, &[active("300", &all(""))]);
    desk.seconds(5);
    are(&desk, &[("300", Idle)]);
}

/// A list as the multipart that it comes as, with what is said of each of its resources: user, instance's state, type and body.
fn whole_list(boundary: &str, full: bool, version: u32, resources: &[(&str, &str, String, String)]) -> (String, String) {
    let mut list =
        format!("<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"{LIST}\" version=\"{version}\" fullState=\"{full}\">");
    let mut parts = String::new();
    for (at, (user, state, kind, body)) in resources.iter().enumerate() {
        let cid = if body.is_empty() { String::new() } else { format!(" cid=\"{boundary}{at}@x\"") };
        let instance = format!("<instance id=\"i\" state=\"{state}\"{cid}/>");
        list += &format!("<resource uri=\"sip:{user}@example.com\">{instance}</resource>");
        if !body.is_empty() {
            parts += &format!("--{boundary}\r\nContent-ID: <{boundary}{at}@x>\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
        }
    }
    let root =
        format!("--{boundary}\r\nContent-ID: <{boundary}l@x>\r\nContent-Type: application/rlmi+xml\r\n\r\n{list}</list>\r\n");
    (format!("multipart/related;type=\"application/rlmi+xml\";boundary={boundary}"), format!("{root}{parts}--{boundary}--\r\n"))
}

fn doing<'a>(user: &'a str, state: &str) -> (&'a str, &'static str, String, String) {
    (user, "active", "application/dialog-info+xml".into(), all(&dialog("d", "recipient", state)))
}

fn group(user: &str, (kind, body): (String, String)) -> (&str, &'static str, String, String) {
    (user, "active", kind, body)
}

/// RFC 4662 5.5: the members of a list in the list, not the list.
#[test]
fn who_is_on_a_list_in_the_list_is_shown() {
    let mut desk = held();
    let sales = whole_list("s", true, 0, &[doing("301", "confirmed"), doing("302", "early")]);
    let (kind, body) = whole_list("b", true, 0, &[doing("300", "terminated"), group("sales", sales)]);
    notified(&mut desk, &kind, &body);
    are(&desk, &[("300", Idle), ("301", Talking), ("302", Ringing)]);
    // Of the list in the list alone: one has left, one has come.
    let sales = whole_list("s", true, 1, &[doing("302", "confirmed"), doing("303", "terminated")]);
    let (kind, body) = whole_list("b", false, 1, &[group("sales", sales)]);
    notified(&mut desk, &kind, &body);
    desk.seconds(3);
    are(&desk, &[("300", Idle), ("302", Talking), ("303", Idle)]);
    // It is not watched any more.
    let (kind, body) = whole_list("b", false, 2, &[("sales", "terminated", String::new(), String::new())]);
    notified(&mut desk, &kind, &body);
    are(&desk, &[("300", Idle), ("302", Unknown), ("303", Unknown)]);
    let (kind, body) = whole_list("b", true, 3, &[doing("300", "terminated")]);
    notified(&mut desk, &kind, &body);
    desk.seconds(3);
    are(&desk, &[("300", Idle)]);
}

#[test]
fn lists_in_lists_are_bounded() {
    let mut inner = whole_list("b0", true, 0, &[doing("399", "confirmed")]);
    for depth in 1..6 {
        let boundary = format!("b{depth}");
        let member = format!("30{depth}");
        inner = whole_list(&boundary, true, 0, &[doing(&member, "confirmed"), group("sales", inner)]);
    }
    let mut desk = held();
    notified(&mut desk, &inner.0, &inner.1);
    are(&desk, &[("305", Talking), ("304", Talking), ("303", Talking), ("302", Talking)]);
}

/// Lists that name a list in them again and again would be read as often as all of them together do: millions of times for one NOTIFY
/// of 30 kB.
#[test]
fn a_list_that_is_named_again_and_again_is_read_so_often_only() {
    let mut inner = whole_list("b0", true, 0, &[doing("300", "confirmed")]);
    for depth in 1..4 {
        let boundary = format!("b{depth}");
        let (kind, body) = whole_list(&boundary, true, 0, &[group("sales", inner)]);
        let instance = format!("<instance id=\"i\" state=\"active\" cid=\"{boundary}0@x\"/>");
        let resource = format!("<resource uri=\"sip:sales@example.com\">{}</resource>", instance.repeat(16));
        let body = body.replace(&instance, &instance.repeat(16)).replace(&resource, &resource.repeat(12));
        inner = (kind, body);
    }
    let mut desk = held();
    notified(&mut desk, &inner.0, &inner.1);
    are(&desk, &[("300", Talking)]);
}
