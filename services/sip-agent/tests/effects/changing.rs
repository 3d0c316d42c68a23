//! What each row of section 5.8 does at run time: the least that its effect in the catalogue promises. A call that is up goes on,
//! a bound line stays in use, and REGISTER goes out where the row says so and nowhere else.

use std::collections::BTreeSet;

use settings::catalogue;
use settings::row::Effect;
use sip_stack::{CallStage, Command, LineState};
use sip_wire::{Message, parse_datagram};
use testbed::virtual_net::peer::answer;

use crate::configured::{Lab, Rowset};

/// One row, what is set besides, and its other value.
type Case = (&'static str, Rowset<'static>, &'static str);

const NAMED: Rowset<'static> = &[("SIP_RGSTR_ADDR_1", "sip.example.com")];
const NAMED_TCP: Rowset<'static> = &[("SIP_RGSTR_ADDR_1", "sip.example.com"), ("SIP_TRANSPORT_1", "1")];
const PROXY: Rowset<'static> = &[("SIP_PRXY_ADDR_1", "10.0.0.9")];
const PROXIES: Rowset<'static> = &[("SIP_PRXY_ADDR_1", "10.0.0.9"), ("SIP_2NDPROXY_ADDR_1", "10.0.0.8")];
const PRESENCE: Rowset<'static> = &[("SIP_PRSNC_ADDR_1", "10.0.0.9")];
const PRESENCES: Rowset<'static> = &[("SIP_PRSNC_ADDR_1", "10.0.0.9"), ("SIP_2NDPRSNC_ADDR_1", "10.0.0.8")];

const CASES: [Case; 82] = [
    ("DISPLAY_NAME_1", &[], "Desk"),
    ("VM_NUMBER_1", &[], "500"),
    ("DIAL_PLAN_1", &[], "1xx"),
    ("DIAL_PLAN_NOT_MATCH_ENABLE_1", &[], "Y"),
    ("SHARED_CALL_ENABLE_1", &[], "Y"),
    ("FWD_DND_SYNCHRO_ENABLE_1", &[], "Y"),
    ("RESOURCELIST_URI_1", &[], "sip:list@10.0.0.9"),
    ("CW_ENABLE_1", &[], "N"),
    ("FLASH_RECALL_TERMINATE", &[], "N"),
    ("FLASHHOOK_CONTENT_TYPE", &[], "flashhook"),
    ("VOICE_MESSAGE_AVAILABLE", &[], "N"),
    ("SIP_USER_AGENT", &[], "Other/1"),
    ("PHONE_NUMBER_1", &[], "201"),
    ("SIP_URI_1", &[], "sip:201@10.0.0.9"),
    ("LINE_ENABLE_1", &[], "Disabled"),
    ("PROFILE_ENABLE1", &[], "Disabled"),
    ("SIP_AUTHID_1", &[], "desk"),
    ("SIP_PASS_1", &[], "second2"),
    ("SIP_SRC_PORT_1", &[], "5566"),
    ("SIP_PRXY_ADDR_1", &[], "10.0.0.8"),
    ("SIP_PRXY_PORT_1", PROXY, "5099"),
    ("SIP_RGSTR_ADDR_1", &[], "10.0.0.8"),
    ("SIP_RGSTR_PORT_1", &[], "5099"),
    ("SIP_SVCDOMAIN_1", &[], "example.org"),
    ("REG_EXPIRE_TIME_1", &[], "600"),
    ("REG_INTERVAL_RATE_1", &[], "50"),
    ("SIP_SESSION_TIME_1", &[], "600"),
    ("SIP_SESSION_METHOD_1", &[], "1"),
    ("SIP_2NDPROXY_ADDR_1", PROXY, "10.0.0.8"),
    ("SIP_2NDPROXY_PORT_1", PROXIES, "5099"),
    ("SIP_2NDRGSTR_ADDR_1", &[], "10.0.0.8"),
    ("SIP_2NDRGSTR_PORT_1", &[("SIP_2NDRGSTR_ADDR_1", "10.0.0.8")], "5099"),
    ("SIP_TIMER_T1_1", &[], "1000"),
    ("SIP_TIMER_T2_1", &[], "8"),
    ("SIP_TIMER_T4_1", &[], "5"),
    ("SIP_FOVR_NORSP_1", &[], "N"),
    ("SIP_FOVR_MAX_1", &[], "2"),
    ("SIP_REFRESHER_1", &[], "1"),
    ("SIP_DNSSRV_ENA_1", NAMED, "N"),
    ("SIP_UDP_SRV_PREFIX_1", NAMED, "_x._udp."),
    ("SIP_TCP_SRV_PREFIX_1", NAMED_TCP, "_x._tcp."),
    ("SIP_100REL_ENABLE_1", &[], "Y"),
    ("SIP_INVITE_EXPIRE_1", &[], "60"),
    ("SIP_18X_RTX_INTVL_1", &[], "60"),
    ("SIP_PRSNC_ADDR_1", &[], "10.0.0.8"),
    ("SIP_PRSNC_PORT_1", PRESENCE, "5099"),
    ("SIP_2NDPRSNC_ADDR_1", PRESENCE, "10.0.0.8"),
    ("SIP_2NDPRSNC_PORT_1", PRESENCES, "5099"),
    ("USE_DEL_REG_OPEN_1", &[], "Y"),
    ("USE_DEL_REG_CLOSE_1", &[], "Y"),
    ("PORT_PUNCH_INTVL_1", &[], "30"),
    ("SIP_ADD_RPORT_1", &[], "Y"),
    ("SIP_REQURI_PORT_1", &[], "N"),
    ("SIP_SUBS_EXPIRE_1", &[], "600"),
    ("SUB_RTX_INTVL_1", &[], "60"),
    ("REG_RTX_INTVL_1", &[], "60"),
    ("SIP_P_PREFERRED_ID_1", &[], "Y"),
    ("SIP_PRIVACY_1", &[], "Y"),
    ("ADD_USER_PHONE_1", &[], "Y"),
    ("SDP_USER_ID_1", &[], "desk"),
    ("SUB_INTERVAL_RATE_1", &[], "50"),
    ("SIP_OUTPROXY_ADDR_1", &[], "10.0.0.8"),
    ("SIP_OUTPROXY_PORT_1", &[("SIP_OUTPROXY_ADDR_1", "10.0.0.9")], "5099"),
    ("SIP_ANM_DISPNAME_1", &[], "2"),
    ("SIP_ANM_USERNAME_1", &[], "1"),
    ("SIP_ANM_HOSTNAME_1", &[], "Y"),
    ("SIP_DETECT_SSAF_1", &[], "Y"),
    ("SIP_RCV_DET_HEADER_1", &[], "Y"),
    ("SIP_CONTACT_ON_ACK_1", &[], "Y"),
    ("SIP_TIMER_B_1", &[], "16000"),
    ("SIP_TIMER_D_1", &[], "6000"),
    ("SIP_TIMER_F_1", &[], "16000"),
    ("SIP_TIMER_H_1", &[], "16000"),
    ("SIP_TIMER_J_1", &[], "6000"),
    ("ADD_TRANSPORT_UDP_1", &[], "Y"),
    ("ADD_EXPIRES_HEADER_1", &[], "N"),
    ("SIP_HOLD_HOLDRECEIVE_1", &[], "N"),
    ("SIP_ADD_DIVERSION_1", &[], "2"),
    ("SIP_RESPONSE_CODE_DND", &[], "486"),
    ("SIP_RESPONSE_CODE_CALL_REJECT", &[], "486"),
    ("DSCP_SIP_1", &[], "46"),
    ("SIP_TRANSPORT_1", &[], "1"),
];

/// A line that is bound, and a call on it.
struct Phone {
    lab: Lab,
    /// So much of the log has been looked at.
    seen: usize,
    registers: usize,
}

impl Phone {
    fn new(rows: Rowset) -> Phone {
        let lab = Lab::registering(&[("LINE_ENABLE_1", "Disabled")]);
        let mut phone = Phone { lab, seen: 0, registers: 0 };
        phone.lab.net.nodes[0].names.insert("sip.example.com".into(), vec![phone.lab.far]);
        phone.configure(rows);
        phone.bind();
        phone.lab.talking();
        phone.registers = 0;
        phone
    }

    fn configure(&mut self, rows: Rowset) {
        self.lab.configure(rows);
        self.look();
    }

    /// What the phone has sent since the last look.
    fn look(&mut self) -> Vec<Message> {
        let new = &self.lab.net.log[self.seen..];
        let sent = new.iter().filter(|sent| sent.to.ip() != self.lab.net.nodes[0].ip.ip());
        let messages: Vec<Message> = sent.filter_map(|sent| parse_datagram(&sent.bytes).ok()).collect();
        self.registers += messages.iter().filter(|message| is(message, "REGISTER")).count();
        messages
    }

    /// Whoever was asked to bind the line does, and a BYE is heard.
    fn bind(&mut self) {
        for _ in 0..3 {
            let new: Vec<_> = self.lab.net.log[self.seen..].to_vec();
            self.seen = self.lab.net.log.len();
            for sent in new {
                let Ok(Message::Request(request)) = parse_datagram(&sent.bytes) else { continue };
                if !["REGISTER", "BYE"].contains(&request.method.as_str()) {
                    continue;
                }
                let mut ok = answer(&request, 200, "r");
                if let Some(contact) = request.headers.contact().unwrap().first() {
                    ok.headers.push("Contact", contact);
                }
                self.lab.net.send(sent.to, sent.from, ok.to_bytes());
            }
            self.lab.net.settle();
        }
        self.lab.titles();
    }

    fn is_bound(&self) -> bool {
        matches!(self.lab.net.line(0), LineState::Registered { .. })
    }
}

fn is(message: &Message, method: &str) -> bool {
    matches!(message, Message::Request(request) if request.method.as_str() == method)
}

#[test]
fn every_row_is_here() {
    let family = |name: &'static str| catalogue::parameter(name).unwrap_or_else(|| panic!("{name}")).row.name;
    let here: BTreeSet<&str> = CASES.iter().map(|case| family(case.0)).collect();
    let rows = catalogue::parameters().map(|parameter| parameter.row).filter(|row| row.section.starts_with("5.8."));
    let missing: BTreeSet<&str> = rows.map(|row| row.name).filter(|name| !here.contains(name)).collect();
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn a_changed_row_does_the_least_that_it_promises() {
    for (row, besides, value) in CASES {
        let effect = catalogue::parameter(row).unwrap().row.effect;
        let mut phone = Phone::new(besides);
        let rows: Vec<(&str, &str)> = besides.iter().copied().chain([(row, value)]).collect();
        phone.configure(&rows);
        if value == "Disabled" {
            phone.configure(besides);
        }
        assert_eq!(phone.registers > 0, effect == Effect::ReRegister, "{row}");
        if effect == Effect::ReRegister {
            phone.bind();
        }
        assert!(phone.is_bound(), "{row}: {:?}", phone.lab.net.line(0));
        let calls = phone.lab.net.calls(0);
        assert!(calls.len() == 1 && calls[0].stage == CallStage::Talking, "{row}: {calls:?}");
        phone.seen = phone.lab.net.log.len();
        phone.lab.net.dial(0, "101");
        phone.lab.net.settle();
        let sent = phone.look();
        assert!(sent.iter().any(|message| is(message, "INVITE")), "{row}: the line is not in use\n{}", phone.lab.net.story());
        let call = calls[0].call;
        phone.lab.command(Command::Hangup(call));
        assert!(phone.look().iter().any(|message| is(message, "BYE")), "{row}: the call has gone");
    }
}
