//! From the catalogue's effective values and the board's facts to what the stack, the telephone and the media plan need. Pure:
//! it reads one map and decides nothing about when.

mod details;
mod dialing;
mod forwarding;
mod identity;
mod screening;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use settings::View;
use sip_stack::{Codec, LineSettings, NamedRefresher, RefreshMethod, Server, SessionSettings, StackSettings, Transport};
use telephone::{DisconnectionTone, TelephoneSettings, ToneSettings, Tones};

/// What media-engine plays in this version.
const PLAYABLE: [Codec; 3] = [Codec::G722, Codec::Pcma, Codec::Pcmu];
/// Port of SIP (RFC 3261 18.1.1).
const SIP_PORT: u16 = 5060;

/// The facts of Hal1 that SIP needs; kept over an absence of hal-agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardFacts {
    /// Our own address; none while the network is down or unknown.
    pub address: Option<IpAddr>,
    /// Twelve upper-case hexadecimal digits.
    pub mac: String,
    /// Of {MODEL}.
    pub model: String,
    /// Of {fwver}.
    pub firmware: String,
}

/// What a line's RTP sessions need beside what the stack has agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// DSCP_RTP_n.
    pub dscp: u32,
    /// DSCP_RTCP_n.
    pub dscp_rtcp: u32,
    /// RTCP_SEND_BY_SDP_n=1: the far end's a=rtcp: says whether reports are sent, and RTCP_ENABLE_n does not (B304).
    pub rtcp_by_sdp: bool,
    /// MIN_DELAY_n, NOM_DELAY_n, MAX_DELAY_n in milliseconds.
    pub jitter_ms: (u32, u32, u32),
    /// RTCP_INTVL_n in seconds; 0 with RTCP_ENABLE_n=N, unless it does not count.
    pub rtcp_interval: u32,
}

/// All rows of one snapshot, read.
pub struct Rows<'v> {
    view: View<'v>,
}

impl<'v> Rows<'v> {
    /// Over effective values.
    pub fn new(values: &'v BTreeMap<String, String>) -> Rows<'v> {
        Rows { view: View::new(values) }
    }

    /// For the stack.
    pub fn stack(&self, board: &BoardFacts) -> StackSettings {
        let view = &self.view;
        StackSettings {
            addresses: board.address.into_iter().collect(),
            user_agent: user_agent(view.text("SIP_USER_AGENT"), board),
            rtp_ports: (view.number("RTP_PORT_MIN", 0), view.number("RTP_PORT_MAX", 0)),
            ptime_ms: view.number("RTP_PTIME", 20),
            g729_annexb_no: view.integer("CODEC_G729_PARAM") == 1,
            televent_payload: view.number("TELEVENT_PAYLOAD", 101),
            resync_event: view.text("CFG_RESYNC_FROM_SIP").to_owned(),
            talk_package: view.flag("TALK_PACKAGE"),
            hold_package: view.flag("HOLD_PACKAGE"),
            instance: instance(board),
            playable: PLAYABLE.to_vec(),
            lines: std::array::from_fn(|index| {
                let number = u32::try_from(index).unwrap_or(0) + 1;
                Line { view, number }.settings()
            }),
        }
    }

    /// For the telephone.
    pub fn telephone(&self, first_line: LineNumber) -> TelephoneSettings {
        let view = &self.view;
        let seconds = |name: &str| Duration::from_secs(view.number(name, 0));
        let line = LineNumber::new(view.number("DEFAULT_LINE_SELECT", 1)).unwrap_or(first_line);
        TelephoneSettings {
            first_digit: seconds("FIRSTDIGIT_TIM"),
            inter_digit: seconds("INTDIGIT_TIM"),
            macro_digit: seconds("MACRODIGIT_TIM"),
            dial_plans: self.dial_plans(),
            pound_ends_dialing: view.flag("POUND_KEY_DELIMITER_ENABLE"),
            default_line: line,
            auto_answer: view.flag("AUTO_ANSWER_ENABLE"),
            auto_answer_ring: seconds("AUTO_ANS_RING_TIM"),
            call_waiting: std::array::from_fn(|index| view.flag(&format!("CW_ENABLE_{}", index + 1))),
            auto_call_hold: view.flag("AUTO_CALL_HOLD"),
            reject_status: view.number("SIP_RESPONSE_CODE_CALL_REJECT", 603),
            disconnection_tone: match view.integer("DISCONNECTION_MODE") {
                2 => DisconnectionTone::Busy,
                _ => DisconnectionTone::Reorder,
            },
            disconnect_handset: seconds("TONE_LEN_DISCONNECT_HANDSET"),
            disconnect_handsfree: seconds("TONE_LEN_DISCONNECT_HANDSFREE"),
            digit_length_ms: view.number("DTMF_SIGNAL_LEN", 180),
            relay_digits: std::array::from_fn(|index| view.flag(&format!("DTMF_RELAY_{}", index + 1))),
            digit_pause_ms: view.number("DTMF_INTDIGIT_TIM", 90),
            shared: std::array::from_fn(|index| view.flag(&format!("SHARED_CALL_ENABLE_{}", index + 1))),
            flash_ends_call: view.flag("FLASH_RECALL_TERMINATE"),
            flash_hook: self.flash_hook(),
            mailbox_numbers: self.mailbox_numbers(),
            voice_mail: view.flag("VM_SUBSCRIBE_ENABLE"),
            voice_message_counted: view.flag("VOICE_MESSAGE_AVAILABLE"),
            resource_lists: std::array::from_fn(|index| view.text(&format!("RESOURCELIST_URI_{}", index + 1)).to_owned()),
            tones: Tones {
                dial: self.tone("DIAL_TONE1"),
                ringback: self.tone("RINGBACK_TONE"),
                busy: self.tone("BUSY_TONE"),
                reorder: self.tone("REORDER_TONE"),
            },
            screening: self.screening(),
            forwarding: self.forwarding(),
            feature_sync: self.feature_sync(),
        }
    }

    /// For the media plan.
    pub fn media(&self, line: LineNumber) -> MediaSettings {
        let rows = Line { view: &self.view, number: u32::from(line.number()) };
        let rtcp_by_sdp = rows.text("RTCP_SEND_BY_SDP_n") == "1";
        let ten_ms = |family: &str| rows.number::<u32>(family, 2).saturating_mul(10);
        MediaSettings {
            dscp: rows.number("DSCP_RTP_n", 0),
            dscp_rtcp: rows.number("DSCP_RTCP_n", 0),
            rtcp_by_sdp,
            jitter_ms: (ten_ms("MIN_DELAY_n"), ten_ms("NOM_DELAY_n"), ten_ms("MAX_DELAY_n")),
            rtcp_interval: if rtcp_by_sdp || rows.flag("RTCP_ENABLE_n") { rows.number("RTCP_INTVL_n", 5) } else { 0 },
        }
    }

    /// PHONE_NUMBER_n.
    pub fn phone_number(&self, line: LineNumber) -> String {
        self.view.text(&View::name_on("PHONE_NUMBER_n", line)).to_owned()
    }

    fn tone(&self, name: &str) -> ToneSettings {
        let list = |row: &str| -> Vec<u32> {
            let values = self.view.list(&format!("{name}_{row}"));
            values.into_iter().filter_map(|value| u32::try_from(value).ok()).collect()
        };
        let gain_db = self.view.number(&format!("{name}_GAIN"), 0);
        ToneSettings { frequencies: list("FRQ"), timing_ms: list("TIMING"), gain_db }
    }
}

/// The rows of one line.
struct Line<'a, 'v> {
    view: &'a View<'v>,
    number: u32,
}

impl<'v> Line<'_, 'v> {
    fn name(&self, family: &str) -> String {
        family.replace('n', &self.number.to_string())
    }
    fn text(&self, family: &str) -> &'v str {
        self.view.text(&self.name(family))
    }
    fn flag(&self, family: &str) -> bool {
        self.view.flag(&self.name(family))
    }
    fn number<T: TryFrom<i64>>(&self, family: &str, otherwise: T) -> T {
        self.view.number(&self.name(family), otherwise)
    }
    fn seconds(&self, family: &str) -> Duration {
        Duration::from_secs(self.number(family, 0))
    }
    fn milliseconds(&self, family: &str) -> Duration {
        Duration::from_millis(self.number(family, 0))
    }

    fn settings(&self) -> LineSettings {
        let (uri_user, uri_domain) = parts_of(self.text("SIP_URI_n"));
        let or = |first: &str, second: &str| if first.is_empty() { second.to_owned() } else { first.to_owned() };
        let registrar = self.text("SIP_RGSTR_ADDR_n");
        let transport = if self.text("SIP_TRANSPORT_n") == "1" { Transport::Tcp } else { Transport::Udp };
        let prefix = match transport {
            Transport::Udp => "SIP_UDP_SRV_PREFIX_n",
            Transport::Tcp => "SIP_TCP_SRV_PREFIX_n",
        };
        LineSettings {
            enabled: self.flag("LINE_ENABLE_n") && self.flag("PROFILE_ENABLEn"),
            user: or(&uri_user, self.text("PHONE_NUMBER_n")),
            domain: or(uri_domain, &or(self.text("SIP_SVCDOMAIN_n"), registrar)),
            display_name: self.text("DISPLAY_NAME_n").to_owned(),
            auth_id: self.text("SIP_AUTHID_n").to_owned(),
            password: self.view.secret(&self.name("SIP_PASS_n")),
            registrar: self.server("SIP_RGSTR_ADDR_n", "SIP_RGSTR_PORT_n"),
            proxy: self.server("SIP_PRXY_ADDR_n", "SIP_PRXY_PORT_n"),
            outbound_proxy: self.server("SIP_OUTPROXY_ADDR_n", "SIP_OUTPROXY_PORT_n"),
            presence: self.server("SIP_PRSNC_ADDR_n", "SIP_PRSNC_PORT_n"),
            second_registrar: self.second("SIP_RGSTR_ADDR_n", "SIP_2NDRGSTR_ADDR_n", "SIP_2NDRGSTR_PORT_n"),
            second_proxy: self.second("SIP_PRXY_ADDR_n", "SIP_2NDPROXY_ADDR_n", "SIP_2NDPROXY_PORT_n"),
            second_presence: self.second("SIP_PRSNC_ADDR_n", "SIP_2NDPRSNC_ADDR_n", "SIP_2NDPRSNC_PORT_n"),
            fail_over: self.flag("SIP_FOVR_NORSP_n"),
            servers_max: self.number("SIP_FOVR_MAX_n", 4),
            source_port: self.number("SIP_SRC_PORT_n", SIP_PORT),
            transport,
            dscp: self.number("DSCP_SIP_n", 0),
            srv_prefix: self.flag("SIP_DNSSRV_ENA_n").then(|| self.text(prefix).to_owned()),
            register_expires: self.number("REG_EXPIRE_TIME_n", 3600),
            register_interval_rate: self.number("REG_INTERVAL_RATE_n", 90),
            register_retry: self.seconds("REG_RTX_INTVL_n"),
            subscribe_expires: self.number("SIP_SUBS_EXPIRE_n", 3600),
            subscribe_interval_rate: self.number("SUB_INTERVAL_RATE_n", 90),
            subscribe_retry: self.seconds("SUB_RTX_INTVL_n"),
            keep_alive: self.seconds("PORT_PUNCH_INTVL_n"),
            t1: self.milliseconds("SIP_TIMER_T1_n"),
            t2: self.seconds("SIP_TIMER_T2_n"),
            t4: self.seconds("SIP_TIMER_T4_n"),
            timer_b: self.milliseconds("SIP_TIMER_B_n"),
            timer_d: self.milliseconds("SIP_TIMER_D_n"),
            timer_f: self.milliseconds("SIP_TIMER_F_n"),
            timer_h: self.milliseconds("SIP_TIMER_H_n"),
            timer_j: self.milliseconds("SIP_TIMER_J_n"),
            invite_expires: self.number("SIP_INVITE_EXPIRE_n", 0),
            sessions: self.sessions(),
            shared: self.flag("SHARED_CALL_ENABLE_n"),
            add_rport: self.flag("SIP_ADD_RPORT_n"),
            request_uri_port: self.flag("SIP_REQURI_PORT_n"),
            user_phone: self.flag("ADD_USER_PHONE_n"),
            rfc2543_hold: self.flag("RFC2543_HOLD_ENABLE_n"),
            sdp_user: self.text("SDP_USER_ID_n").to_owned(),
            codecs: self.codecs(),
            telephone_event: self.flag("OUTBANDDTMF_n"),
            identity: self.identity(),
            details: self.details(),
            unregister_first: self.flag("USE_DEL_REG_OPEN_n"),
            unregister_on_stop: self.flag("USE_DEL_REG_CLOSE_n"),
        }
    }

    /// C19, B217, B315, B316.
    fn sessions(&self) -> SessionSettings {
        SessionSettings {
            expires: self.number("SIP_SESSION_TIME_n", 0),
            refresher: match self.text("SIP_REFRESHER_n") {
                "1" => NamedRefresher::Uas,
                "2" => NamedRefresher::Uac,
                _ => NamedRefresher::Nobody,
            },
            method: match self.text("SIP_SESSION_METHOD_n") {
                "1" => RefreshMethod::Update,
                "2" => RefreshMethod::Automatic,
                _ => RefreshMethod::Reinvite,
            },
            reliable: self.flag("SIP_100REL_ENABLE_n"),
            ring_again: self.number("SIP_18X_RTX_INTVL_n", 0),
        }
    }

    /// A server is named by address or name. A name with the port that every server has is looked up by SRV where SRV is on
    /// (B314); another port is meant as it stands (RFC 3263, 4.2).
    fn server(&self, address: &str, port: &str) -> Option<Server> {
        let host = self.text(address).to_owned();
        let port = self.number(port, SIP_PORT);
        let by_srv = port == SIP_PORT && self.flag("SIP_DNSSRV_ENA_n") && host.parse::<IpAddr>().is_err();
        (!host.is_empty()).then_some(Server { host, port: (!by_srv).then_some(port) })
    }

    /// The secondary server, only beside a primary that is given as an address (B214).
    fn second(&self, primary: &str, address: &str, port: &str) -> Option<SocketAddr> {
        self.text(primary).parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(self.text(address).parse().ok()?, self.number(port, SIP_PORT)))
    }

    /// By priority, the lower first (B209); PCMU is added where CODEC_G711_REQ asks for it (B208).
    fn codecs(&self) -> Vec<Codec> {
        let numbered = [(0, Codec::G722), (1, Codec::Pcma), (3, Codec::G729), (4, Codec::Pcmu)];
        let row = |name: &str, number: u8| self.name(name).replace('x', &number.to_string());
        let mut enabled: Vec<(i64, Codec)> = numbered
            .into_iter()
            .filter(|(number, _)| self.view.flag(&row("CODEC_ENABLEx_n", *number)))
            .map(|(number, codec)| (self.view.integer(&row("CODEC_PRIORITYx_n", number)), codec))
            .collect();
        enabled.sort();
        let mut codecs: Vec<Codec> = enabled.into_iter().map(|(_, codec)| codec).collect();
        if self.view.integer("CODEC_G711_REQ") == 1 && !codecs.contains(&Codec::Pcmu) {
            codecs.push(Codec::Pcmu);
        }
        codecs
    }
}

/// User and domain of `sip:user@domain`, with or without the scheme. The user is what its escapes mean (RFC 3261 19.1.2): it is escaped
/// anew wherever it is written, and compared with what others have written.
fn parts_of(uri: &str) -> (String, &str) {
    let bare = uri.strip_prefix("sip:").unwrap_or(uri);
    let (user, domain) = bare.split_once('@').unwrap_or((bare, ""));
    let parsed: Option<sip_wire::Uri> = format!("sip:{user}@host.invalid").parse().ok();
    let meant = parsed.and_then(|uri| uri.user_decoded().map(std::borrow::Cow::into_owned));
    (meant.unwrap_or_else(|| user.to_owned()), domain)
}

/// B311, C53.
fn user_agent(template: &str, board: &BoardFacts) -> String {
    template
        .replace("{mac}", &board.mac.to_ascii_lowercase())
        .replace("{MAC}", &board.mac.to_ascii_uppercase())
        .replace("{MODEL}", &board.model)
        .replace("{fwver}", &board.firmware)
}

/// The URN of RFC 5626 4.1 as a UUID of version 1 whose node is the MAC address and whose time stands still, so that it is the
/// same after every start.
fn instance(board: &BoardFacts) -> Option<String> {
    let mac = board.mac.to_ascii_lowercase();
    let whole = mac.len() == 12 && mac.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole.then(|| format!("urn:uuid:00000000-0000-1000-8000-{mac}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn board() -> BoardFacts {
        BoardFacts {
            address: "192.0.2.7".parse().ok(),
            mac: "0080F0ABCDEF".into(),
            model: "KX-UT670".into(),
            firmware: "01.070".into(),
        }
    }

    /// B311.
    #[test]
    fn the_user_agent_names_the_unit() {
        let rows = values(&[]);
        let stack = Rows::new(&rows).stack(&board());
        assert_eq!(stack.user_agent, "Panasonic_KX-UT670/01.070 (0080f0abcdef)");
        assert_eq!(stack.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    }

    /// RFC 5626 4.1: the same after every start, another one for another phone.
    #[test]
    fn the_instance_is_made_from_the_mac_address() {
        let urn = |mac: &str| instance(&BoardFacts { mac: mac.into(), ..board() });
        assert_eq!(urn("0080F0ABCDEF").as_deref(), Some("urn:uuid:00000000-0000-1000-8000-0080f0abcdef"));
        assert_eq!(urn("0080F0ABCDEE").as_deref(), Some("urn:uuid:00000000-0000-1000-8000-0080f0abcdee"));
        assert_eq!([urn(""), urn("0080F0"), urn("no address!!")], [None, None, None]);
    }

    #[test]
    fn every_row_that_is_read_is_in_the_catalogue() {
        let rows = values(&[]);
        let rows = Rows::new(&rows);
        let line = LineNumber::new(1).unwrap();
        assert_eq!(rows.telephone(line), TelephoneSettings::factory(line));
        let media = MediaSettings { dscp: 0, dscp_rtcp: 0, rtcp_by_sdp: false, jitter_ms: (20, 20, 200), rtcp_interval: 0 };
        assert_eq!(rows.media(line), media);
        let stack = rows.stack(&BoardFacts::default());
        assert_eq!((stack.rtp_ports, stack.ptime_ms, stack.lines[1].source_port), ((16000, 20000), 20, 5070));
        assert!(stack.addresses.is_empty() && stack.lines[0].registrar.is_none());
    }

    #[test]
    fn the_address_of_record_comes_from_the_uri_or_from_its_parts() {
        let rows = values(&[
            ("SIP_URI_1", "sip:200@example.com"),
            ("PHONE_NUMBER_2", "201"),
            ("SIP_SVCDOMAIN_2", "example.org"),
            ("PHONE_NUMBER_3", "202"),
            ("SIP_RGSTR_ADDR_3", "192.0.2.1"),
        ]);
        let lines = Rows::new(&rows).stack(&board()).lines;
        let record = |index: usize| (lines[index].user.as_str(), lines[index].domain.as_str());
        assert_eq!([record(0), record(1), record(2)], [("200", "example.com"), ("201", "example.org"), ("202", "192.0.2.1")]);
    }

    /// B215.
    #[test]
    fn a_line_needs_both_switches() {
        let rows = values(&[("LINE_ENABLE_1", "Disabled"), ("PROFILE_ENABLE2", "Disabled")]);
        let lines = Rows::new(&rows).stack(&board()).lines;
        assert_eq!(lines.map(|line| line.enabled), [false, false, true, true, true, true]);
    }

    /// B208, B209.
    #[test]
    fn codecs_stand_in_the_order_of_their_priorities() {
        let mut rows =
            values(&[("CODEC_PRIORITY0_1", "3"), ("CODEC_PRIORITY3_1", "1"), ("CODEC_PRIORITY4_1", "2"), ("CODEC_ENABLE1_1", "N")]);
        assert_eq!(Rows::new(&rows).stack(&board()).lines[0].codecs, [Codec::G729, Codec::Pcmu, Codec::G722]);
        rows.extend(values(&[("CODEC_ENABLE4_1", "N"), ("CODEC_ENABLE0_1", "N")]));
        assert_eq!(Rows::new(&rows).stack(&board()).lines[0].codecs, [Codec::G729, Codec::Pcmu]);
        rows.extend(values(&[("CODEC_G711_REQ", "0")]));
        assert_eq!(Rows::new(&rows).stack(&board()).lines[0].codecs, [Codec::G729]);
    }

    /// B314.
    #[test]
    fn srv_decides_the_port_of_a_name_only() {
        let rows = values(&[
            ("SIP_RGSTR_ADDR_1", "example.com"),
            ("SIP_PRXY_ADDR_1", "192.0.2.1"),
            ("SIP_OUTPROXY_ADDR_1", "example.net"),
            ("SIP_OUTPROXY_PORT_1", "5070"),
        ]);
        let [line, ..] = Rows::new(&rows).stack(&board()).lines;
        let port = |server: &Option<Server>| server.as_ref().unwrap().port;
        assert_eq!([port(&line.registrar), port(&line.proxy), port(&line.outbound_proxy)], [None, Some(5060), Some(5070)]);
    }
}
