//! Settings as the factory has them, for one line and its variations.

use std::net::IpAddr;
use std::time::Duration;

use agreements::Secret;
use sip_stack::{Codec, LineSettings, Server, SessionSettings, StackSettings, Transport};

/// Extensions that every line supports.
pub const ALWAYS: &str = "replaces, tdialog, norefersub";

/// One line in use at `address`, user part `user`, with `server` (address:port or name) as registrar and proxy, or none.
pub fn settings(address: &str, user: &str, server: Option<&str>) -> StackSettings {
    let server = server.map(server_of);
    let mut lines: [LineSettings; 6] = std::array::from_fn(|index| line(u16::try_from(index).unwrap()));
    let first = &mut lines[0];
    first.enabled = true;
    first.user = user.to_owned();
    first.domain = server.as_ref().map_or_else(|| address.to_owned(), |server| server.host.clone());
    first.registrar.clone_from(&server);
    first.proxy = server;
    StackSettings {
        addresses: vec![address.parse::<IpAddr>().unwrap()],
        user_agent: "Deskphone/test".into(),
        rtp_ports: (16000, 20000),
        ptime_ms: 20,
        g729_annexb_no: false,
        televent_payload: 101,
        resync_event: "check-sync".into(),
        talk_package: false,
        hold_package: false,
        instance: None,
        playable: vec![Codec::Pcmu, Codec::Pcma, Codec::G722],
        lines,
    }
}

/// As [`settings`], with the server as proxy only: nothing is registered.
pub fn direct(address: &str, user: &str, proxy: &str) -> StackSettings {
    let mut settings = settings(address, user, Some(proxy));
    settings.lines[0].registrar = None;
    settings
}

/// Over that transport (SIP_TRANSPORT_1).
pub fn over(transport: Transport, mut settings: StackSettings) -> StackSettings {
    settings.lines[0].transport = transport;
    settings
}

pub fn server_of(text: &str) -> Server {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Server { host: address.ip().to_string(), port: Some(address.port()) };
    }
    Server { host: text.to_owned(), port: None }
}

fn line(index: u16) -> LineSettings {
    let t1 = Duration::from_millis(500);
    LineSettings {
        enabled: false,
        user: String::new(),
        domain: String::new(),
        display_name: String::new(),
        auth_id: String::new(),
        password: Secret::new("secret"),
        registrar: None,
        proxy: None,
        outbound_proxy: None,
        presence: None,
        second_registrar: None,
        second_proxy: None,
        second_presence: None,
        fail_over: true,
        servers_max: 4,
        source_port: 5060 + 10 * index,
        transport: Transport::Udp,
        dscp: 0,
        srv_prefix: None,
        register_expires: 3600,
        register_interval_rate: 90,
        register_retry: Duration::from_secs(10),
        subscribe_expires: 3600,
        subscribe_interval_rate: 90,
        subscribe_retry: Duration::from_secs(10),
        unregister_first: false,
        unregister_on_stop: false,
        keep_alive: Duration::ZERO,
        t1,
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        timer_b: t1 * 64,
        timer_d: t1 * 64,
        timer_f: t1 * 64,
        timer_h: t1 * 64,
        timer_j: t1 * 64,
        invite_expires: 0,
        sessions: SessionSettings::default(),
        add_rport: false,
        request_uri_port: true,
        user_phone: false,
        rfc2543_hold: false,
        sdp_user: String::new(),
        codecs: vec![Codec::G722, Codec::Pcma, Codec::Pcmu],
        telephone_event: true,
        shared: false,
        identity: Default::default(),
        details: Default::default(),
    }
}
