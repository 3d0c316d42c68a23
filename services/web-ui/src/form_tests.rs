//! Generated forms and what comes back from them.

use super::*;
use crate::menu::Onlooker;

fn place(tab: &str, screen: &str, line: Option<&str>) -> Place {
    Place::find(tab, screen, line, Onlooker { account: Account::Administrator, without_basic_network: false }).unwrap()
}

fn sip_settings() -> Place {
    place("voip", "sip-settings-line", Some("2"))
}

fn call_control() -> Place {
    place("telephone", "call-control-line", Some("1"))
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn submit(place: &Place, values: &[(&str, &str)], sent: &[(&str, &str)]) -> Submission {
    read(place, Account::Administrator, &map(values), &map(sent))
}

fn field(place: &Place, name: &str, values: &[(&str, &str)]) -> Field {
    let sections = sections(place, Account::Administrator, &map(values));
    sections.into_iter().flat_map(|section| section.fields).find(|field| field.name == name).unwrap()
}

/// Guide 4.6.2: the sections and the fields of SIP Settings [Line n].
#[test]
fn sip_settings_of_a_line_has_every_section_and_field_of_the_guide() {
    let sections = sections(&sip_settings(), Account::Administrator, &BTreeMap::new());
    let titles: Vec<&str> = sections.iter().map(|section| section.title).collect();
    assert_eq!(
        titles,
        [
            "Phone Number",
            "SIP Server",
            "Outbound Proxy Server",
            "SIP Service Domain",
            "SIP Source Port",
            "SIP Authentication",
            "DNS",
            "Transport Protocol for SIP",
            "Timer Settings",
            "Quality of Service (QoS)",
            "SIP extensions",
            "NAT Identity",
            "Security",
        ]
    );
    let counts: Vec<usize> = sections.iter().map(|section| section.fields.len()).collect();
    assert_eq!(counts, [2, 6, 2, 1, 1, 2, 3, 1, 7, 1, 2, 2, 1]);
    let servers: Vec<&str> = sections[1].fields.iter().map(|field| field.label.as_str()).collect();
    assert_eq!(
        servers,
        [
            "Registrar Server Address",
            "Registrar Server Port",
            "Proxy Server Address",
            "Proxy Server Port",
            "Presence Server Address",
            "Presence Server Port",
        ]
    );
    assert!(sections.iter().flat_map(|section| &section.fields).all(|field| field.name.ends_with("_2")));
}

/// Guide 4.7.2.1.
#[test]
fn call_control_of_a_line_has_the_five_fields_of_the_guide() {
    let sections = sections(&call_control(), Account::Administrator, &BTreeMap::new());
    let labels: Vec<&str> = sections[0].fields.iter().map(|field| field.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "Display Name",
            "Voice Mail Access Number",
            "Enable Shared Call",
            "Synchronize Do Not Disturb and Call Forward",
            "Resource List URI",
        ]
    );
}

/// C3: the field shows the inverse.
#[test]
fn call_even_if_the_dial_plan_does_not_match_shows_the_inverse() {
    let field = field(&call_control(), "DIAL_PLAN_NOT_MATCH_ENABLE_1", &[("DIAL_PLAN_NOT_MATCH_ENABLE_1", "N")]);
    let Control::Radio(options) = &field.control else { panic!("{:?}", field.control) };
    assert_eq!(options[..], [("N", "Yes"), ("Y", "No")]);
    assert_eq!(field.value, "N");
}

/// A secret never goes back into a form; whether one is set does.
#[test]
fn a_secret_is_shown_as_set_or_not_set() {
    for (value, set) in [("********", true), ("", false)] {
        let field = field(&sip_settings(), "SIP_PASS_2", &[("SIP_PASS_2", value)]);
        assert_eq!((field.control, field.value.as_str()), (Control::Secret { set, removable: true }, ""));
    }
}

#[test]
fn an_untouched_secret_keeps_its_value() {
    let values = [("SIP_PASS_2", "********")];
    assert_eq!(submit(&sip_settings(), &values, &[("SIP_PASS_2", "")]), Submission::default());
    let changed = submit(&sip_settings(), &values, &[("SIP_PASS_2", "opensesame")]);
    assert_eq!(changed.changes, BTreeMap::from([("SIP_PASS_2", "opensesame".to_owned())]));
    assert!(changed.typed.is_empty(), "nor is a typed one shown again");
    let removed = submit(&sip_settings(), &values, &[("SIP_PASS_2", ""), ("remove:SIP_PASS_2", "on")]);
    assert_eq!(removed.changes, BTreeMap::from([("SIP_PASS_2", String::new())]));
}

#[test]
fn only_changed_fields_of_this_screen_are_saved() {
    let sent = [("DISPLAY_NAME_1", "Anna"), ("VM_NUMBER_1", "800"), ("DISPLAY_NAME_2", "x"), ("ADMIN_ID", "x"), ("nonsense", "x")];
    let submission = submit(&call_control(), &[("VM_NUMBER_1", "800")], &sent);
    assert_eq!(submission.changes, BTreeMap::from([("DISPLAY_NAME_1", "Anna".to_owned())]));
    let user = read(&call_control(), Account::User, &BTreeMap::new(), &map(&[("VM_NUMBER_1", "801")]));
    assert_eq!(user, Submission::default(), "not a field of the User account");
}

/// B150, B161 to B165, C14, C15.
#[test]
fn wrong_values_are_refused_beside_their_field() {
    let refused = [
        ("SIP_SRC_PORT_2", ""),
        ("SIP_SRC_PORT_2", "50 60"),
        ("SIP_SRC_PORT_2", "80"),
        ("SIP_RGSTR_ADDR_2", "127.0.0.1"),
        ("SIP_RGSTR_ADDR_2", "255.255.255.255"),
        ("SIP_RGSTR_ADDR_2", "a&b.example"),
        ("SIP_RGSTR_ADDR_2", "example.com "),
        ("SIP_AUTHID_2", "with space"),
        ("SIP_AUTHID_2", "a:b"),
        ("SIP_PASS_2", "less<more"),
        ("SIP_URI_2", "sip:a;b@example.com"),
        ("PHONE_NUMBER_2", "\u{e9}t\u{e9}"),
        ("SIP_TIMER_T1_2", "300"),
    ];
    for (name, value) in refused {
        let submission = submit(&sip_settings(), &[], &[(name, value)]);
        assert!(submission.changes.is_empty(), "{name}={value:?} was taken");
        assert!(submission.errors.get(name).is_some_and(|error| error.ends_with('.')), "{name}={value:?}: no reason");
    }
    let taken = [("SIP_RGSTR_ADDR_2", "127.0.0.2"), ("SIP_URI_2", "sip:anna@example.com"), ("SIP_SRC_PORT_2", " 5099 ")];
    assert_eq!(submit(&sip_settings(), &[], &taken).errors, BTreeMap::new());
}

/// B165.
#[test]
fn the_display_name_takes_unicode() {
    let submission = submit(&call_control(), &[], &[("DISPLAY_NAME_1", "Zo\u{eb} \u{65e5}\u{672c}")]);
    assert_eq!(submission.changes.len(), 1);
    let long = "x".repeat(25);
    assert!(submit(&call_control(), &[], &[("DISPLAY_NAME_1", &long)]).errors.contains_key("DISPLAY_NAME_1"));
}

#[test]
fn what_was_typed_is_shown_again_with_the_reason() {
    let mut sections = sections(&sip_settings(), Account::Administrator, &BTreeMap::new());
    submit(&sip_settings(), &[], &[("SIP_SRC_PORT_2", "80"), ("SIP_PASS_2", "a b")]).show_in(&mut sections);
    let find = |name: &str| sections.iter().flat_map(|section| &section.fields).find(|field| field.name == name).unwrap();
    assert_eq!(find("SIP_SRC_PORT_2").value, "80");
    assert!(!find("SIP_SRC_PORT_2").error.is_empty());
    assert_eq!(find("SIP_PASS_2").value, "");
    assert!(!find("SIP_PASS_2").error.is_empty());
}

fn diagnosis(name: &str, reason: &str) -> Diagnosis {
    Diagnosis {
        file: String::new(),
        line: 0,
        column: 0,
        code: "clash.port".into(),
        name: name.into(),
        severity: agreements::Severity::Error,
        reason: reason.into(),
        suggestion: "a port of its own".into(),
        arguments: BTreeMap::new(),
    }
}

/// B170: what provisioning-agent refuses is shown in the words of the screens.
#[test]
fn a_refusal_of_the_owner_stands_beside_its_field_too() {
    let mut submission = Submission::default();
    let refused = [
        diagnosis("SIP_SRC_PORT_2", "SIP_SRC_PORT_2 and WEB_SERVER_PORT both have the port 8080"),
        diagnosis("WEB_SERVER_PORT", "the port is taken"),
    ];
    let elsewhere = submission.refuse(&refused, &sip_settings(), Account::Administrator);
    assert_eq!(
        submission.errors["SIP_SRC_PORT_2"],
        "Source Port [Line 2] and Web Server Port both have the port 8080. A port of its own."
    );
    assert_eq!(elsewhere, ["The port is taken. A port of its own."]);
}

#[test]
fn descriptions_come_without_references() {
    assert_eq!(without_citations("Name (B165), see (a note) (B1, C3 to C4)."), "Name, see (a note).");
}

proptest::proptest! {
    /// A form may hold anything: what comes out are changes that the catalogue allows, and reasons for the rest.
    #[test]
    fn whatever_is_sent_only_legal_values_come_out(port in ".{0,12}", host in ".{0,40}", uri in ".{0,40}", password in ".{0,20}") {
        let sent = [("SIP_SRC_PORT_2", &*port), ("SIP_RGSTR_ADDR_2", &*host), ("SIP_URI_2", &*uri), ("SIP_PASS_2", &*password)];
        let submission = submit(&sip_settings(), &[], &sent);
        for (name, value) in &submission.changes {
            let parameter = catalogue::parameter(name).unwrap();
            proptest::prop_assert!(value::check(&parameter, value).is_ok());
        }
        proptest::prop_assert!(submission.changes.keys().all(|name| !submission.errors.contains_key(name)));
        let reason = submission.errors.get("SIP_PASS_2");
        proptest::prop_assert!(password.chars().count() < 4 || reason.is_none_or(|reason| !reason.contains(&password)));
    }
}
