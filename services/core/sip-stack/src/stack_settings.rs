//! The settings as the stack wants them: resolved, typed, one set for each line. Where a value comes from and what its limits are is
//! sip-agent's and the catalogue's business.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::{LineNumber, Secret};
use serde::{Deserialize, Serialize};

use crate::details::LineDetails;
use crate::identity::IdentitySettings;
use crate::interface::{Codec, Transport};
use crate::session_settings::SessionSettings;

/// Everything that the stack needs to know. Built by sip-agent from the settings snapshot and Hal1's facts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StackSettings {
    /// Our addresses to bind and to write into Contact, Via and SDP; empty: no network, nothing is sent.
    pub addresses: Vec<IpAddr>,
    /// SIP_USER_AGENT with its macros replaced (B311); empty: no header.
    pub user_agent: String,
    /// RTP_PORT_MIN..=RTP_PORT_MAX, both even (B175).
    pub rtp_ports: (u16, u16),
    /// RTP_PTIME in milliseconds.
    pub ptime_ms: u32,
    /// CODEC_G729_PARAM=1: G.729 is described with annexb=no (B303).
    pub g729_annexb_no: bool,
    /// TELEVENT_PAYLOAD.
    pub televent_payload: u8,
    /// CFG_RESYNC_FROM_SIP: the Event value that asks for provisioning; empty: none.
    pub resync_event: String,
    /// TALK_PACKAGE and HOLD_PACKAGE (B198).
    pub talk_package: bool,
    /// See `talk_package`.
    pub hold_package: bool,
    /// Names this phone and no other, over restarts, as a URN (RFC 5626 4.1); none while its MAC address is not known.
    pub instance: Option<String>,
    /// Codecs that media-engine can play; an enabled codec that is not here is never offered alone and never answered.
    pub playable: Vec<Codec>,
    /// The six lines.
    pub lines: [LineSettings; LineNumber::COUNT as usize],
}

/// One line's rows of sections 5.7 and 5.8 that have their effect in this version.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct LineSettings {
    /// LINE_ENABLE_n and PROFILE_ENABLEn (B215).
    pub enabled: bool,
    /// User part of the address of record: SIP_URI_n's, else PHONE_NUMBER_n.
    pub user: String,
    /// Domain of the address of record: SIP_URI_n's, else SIP_SVCDOMAIN_n, else the registrar's.
    pub domain: String,
    /// DISPLAY_NAME_n, Unicode.
    pub display_name: String,
    /// SIP_AUTHID_n.
    pub auth_id: String,
    /// SIP_PASS_n.
    pub password: Secret,
    /// SIP_RGSTR_ADDR_n and port.
    pub registrar: Option<Server>,
    /// SIP_PRXY_ADDR_n and port.
    pub proxy: Option<Server>,
    /// SIP_OUTPROXY_ADDR_n and port.
    pub outbound_proxy: Option<Server>,
    /// SIP_PRSNC_ADDR_n and port: where subscriptions go; none: where calls go.
    pub presence: Option<Server>,
    /// SIP_2NDRGSTR_ADDR_n and port, where the registrar is given as an address (B214).
    pub second_registrar: Option<SocketAddr>,
    /// SIP_2NDPROXY_ADDR_n and port, where the proxy is given as an address (B214).
    pub second_proxy: Option<SocketAddr>,
    /// SIP_2NDPRSNC_ADDR_n and port, where the presence server is given as an address (B214).
    pub second_presence: Option<SocketAddr>,
    /// SIP_FOVR_NORSP_n: another server is tried where one does not answer (B210).
    pub fail_over: bool,
    /// SIP_FOVR_MAX_n: so many servers are tried, the first one counted (B317).
    pub servers_max: u8,
    /// SIP_SRC_PORT_n.
    pub source_port: u16,
    /// SIP_TRANSPORT_n.
    pub transport: Transport,
    /// DSCP_SIP_n.
    pub dscp: u8,
    /// SIP_DNSSRV_ENA_n and SIP_UDP_SRV_PREFIX_n or SIP_TCP_SRV_PREFIX_n: none when SRV is off (B314).
    pub srv_prefix: Option<String>,
    /// REG_EXPIRE_TIME_n in seconds (B312).
    pub register_expires: u32,
    /// REG_INTERVAL_RATE_n in percent (B312).
    pub register_interval_rate: u32,
    /// REG_RTX_INTVL_n: wait after a failed REGISTER.
    pub register_retry: Duration,
    /// SIP_SUBS_EXPIRE_n in seconds.
    pub subscribe_expires: u32,
    /// SUB_INTERVAL_RATE_n in percent (B313).
    pub subscribe_interval_rate: u32,
    /// SUB_RTX_INTVL_n: wait after a failed SUBSCRIBE (B211).
    pub subscribe_retry: Duration,
    /// USE_DEL_REG_OPEN_n: cancel the registration before the first one (B318).
    pub unregister_first: bool,
    /// USE_DEL_REG_CLOSE_n: cancel the registration when the SIP function stops (B318).
    pub unregister_on_stop: bool,
    /// PORT_PUNCH_INTVL_n: between two packets that keep a NAT binding open, with UDP only (B213); 0: none.
    pub keep_alive: Duration,
    /// SIP_TIMER_T1_n.
    pub t1: Duration,
    /// SIP_TIMER_T2_n.
    pub t2: Duration,
    /// SIP_TIMER_T4_n.
    pub t4: Duration,
    /// SIP_TIMER_B_n.
    pub timer_b: Duration,
    /// SIP_TIMER_D_n.
    pub timer_d: Duration,
    /// SIP_TIMER_F_n.
    pub timer_f: Duration,
    /// SIP_TIMER_H_n.
    pub timer_h: Duration,
    /// SIP_TIMER_J_n.
    pub timer_j: Duration,
    /// SIP_INVITE_EXPIRE_n in seconds; 0: no Expires header.
    pub invite_expires: u32,
    /// What is agreed with a session beside its sound.
    pub sessions: SessionSettings,
    /// SIP_ADD_RPORT_n (RFC 3581).
    pub add_rport: bool,
    /// SIP_REQURI_PORT_n (B319).
    pub request_uri_port: bool,
    /// ADD_USER_PHONE_n (B320).
    pub user_phone: bool,
    /// RFC2543_HOLD_ENABLE_n (B307).
    pub rfc2543_hold: bool,
    /// SDP_USER_ID_n; empty: "-".
    pub sdp_user: String,
    /// Enabled codecs, best first (CODEC_ENABLEx_n, CODEC_PRIORITYx_n, CODEC_G711_REQ; B208, B209).
    pub codecs: Vec<Codec>,
    /// OUTBANDDTMF_n: offer RFC 4733 events (B305).
    pub telephone_event: bool,
    /// SHARED_CALL_ENABLE_n: calls name their appearance in Call-Info.
    pub shared: bool,
    /// How calls say whose they are.
    pub identity: IdentitySettings,
    /// Rows about one header or one decision each.
    pub details: LineDetails,
}

impl LineSettings {
    /// Whether what is known of this line's servers is known of the other's.
    pub(crate) fn has_same_servers(&self, other: &LineSettings) -> bool {
        let servers = |line: &LineSettings| {
            let named = (line.registrar.clone(), line.proxy.clone(), line.outbound_proxy.clone(), line.presence.clone());
            (
                named,
                line.second_registrar,
                line.second_proxy,
                line.second_presence,
                line.srv_prefix.clone(),
                line.enabled,
                line.source_port,
                line.transport,
            )
        };
        servers(self) == servers(other)
    }
}

/// A configured server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Address or name.
    pub host: String,
    /// Port; none where SRV decides.
    pub port: Option<u16>,
}
