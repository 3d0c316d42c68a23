//! What several parameters must not be together (C2), checked on effective values whatever way they came in: web, phone, file,
//! bus. Says which parameters are involved; whose value gives way is decided by the layers.

use std::collections::BTreeMap;

use agreements::Severity;

use crate::catalogue::{LINES, Parameter, parameter};

/// The effective value of every parameter, by canonical name.
pub type Effective = BTreeMap<&'static str, String>;

/// Values that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// `clash.port`, ...
    pub code: &'static str,
    /// Error: one of them has to give way. Warning: worth knowing (C44).
    pub severity: Severity,
    /// Who is involved, first the one that the sentence is about.
    pub parameters: Vec<&'static str>,
    /// In words.
    pub reason: String,
    /// How to mend it.
    pub suggestion: String,
}

/// All clashes of a state. The factory defaults have none.
pub fn check(effective: &Effective) -> Vec<Clash> {
    let state = State(effective);
    let mut clashes = Vec::new();
    state.source_ports(&mut clashes);
    state.external_ports(&mut clashes);
    state.rtp_range(&mut clashes);
    for line in 1..=LINES {
        state.jitter(line, &mut clashes);
        state.shared_call(line, &mut clashes);
        state.forwarding(line, &mut clashes);
    }
    state.required(&mut clashes);
    clashes
}

struct State<'e>(&'e Effective);

/// A port and whose it is.
type Port = (&'static str, i64);

impl State<'_> {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    fn source(&self) -> Vec<Port> {
        self.ports("SIP_SRC_PORT_", LINES)
    }

    fn ports(&self, stem: &str, count: u8) -> Vec<Port> {
        (1..=count).filter_map(|n| canonical(&format!("{stem}{n}"))).map(|name| (name, self.number(name))).collect()
    }

    /// B170, B171: unique, and not the web port. C44: inside the RTP range only a warning.
    fn source_ports(&self, clashes: &mut Vec<Clash>) {
        let mut taken = vec![("WEB_SERVER_PORT", self.number("WEB_SERVER_PORT"))];
        let (first, last) = (self.number("RTP_PORT_MIN"), self.number("RTP_PORT_MAX"));
        for (name, port) in self.source() {
            for (other, _) in taken.iter().filter(|(_, used)| *used == port) {
                clashes.push(clash(
                    "clash.port",
                    &[name, other],
                    format!("{name} and {other} both have the port {port}"),
                    "a port of its own",
                ));
            }
            if (first..=last.saturating_add(1)).contains(&port) {
                let reason = format!("{name} {port} lies inside the RTP ports {first} to {last}");
                clashes.push(Clash {
                    severity: Severity::Warning,
                    ..clash(
                        "clash.port-in-rtp-range",
                        &[name, "RTP_PORT_MIN", "RTP_PORT_MAX"],
                        reason,
                        "a port outside the RTP range",
                    )
                });
            }
            taken.push((name, port));
        }
    }

    /// B168, B169: unique, all or none, not on a source port nor beside one.
    fn external_ports(&self, clashes: &mut Vec<Clash>) {
        let channels = self.ports("EXTERNAL_RTP_PORT", 25);
        let used: Vec<_> = channels.iter().copied().filter(|(_, port)| *port != 0).collect();
        if used.is_empty() {
            return;
        }
        if let Some((unset, _)) = channels.iter().find(|(_, port)| *port == 0) {
            let names: Vec<_> = std::iter::once(*unset).chain(used.iter().map(|(name, _)| *name)).collect();
            let reason = format!("{} of 25 external RTP ports are set", used.len());
            clashes.push(clash("clash.external-rtp-incomplete", &names, reason, "all 25 or none"));
        }
        for (at, (name, port)) in used.iter().enumerate() {
            for (other, _) in used.iter().take(at).filter(|(_, before)| before == port) {
                clashes.push(clash(
                    "clash.port",
                    &[name, other],
                    format!("{name} and {other} both have the port {port}"),
                    "a port of its own",
                ));
            }
            for (other, _) in self.source().iter().filter(|(_, source)| source == port || *source == port.saturating_add(1)) {
                let reason = format!("{other} is the RTP or RTCP port of {name}");
                clashes.push(clash("clash.port", &[name, other], reason, "a pair of ports of its own"));
            }
        }
    }

    /// B175.
    fn rtp_range(&self, clashes: &mut Vec<Clash>) {
        let (first, last) = (self.number("RTP_PORT_MIN"), self.number("RTP_PORT_MAX"));
        if first.saturating_add(400) > last {
            let reason = format!("the RTP ports {first} to {last} are fewer than 400");
            clashes.push(clash(
                "clash.rtp-range",
                &["RTP_PORT_MIN", "RTP_PORT_MAX"],
                reason,
                "RTP_PORT_MAX at least RTP_PORT_MIN + 400",
            ));
        }
        // B178: a warning, for a line without G.722 the value is right.
        let wide = (1..=LINES).filter_map(|n| canonical(&format!("CODEC_ENABLE0_{n}"))).find(|name| self.text(name) == "Y");
        if let (30, Some(codec)) = (self.number("RTP_PTIME"), wide) {
            let reason = "30 ms packets do not go with G.722".to_owned();
            clashes.push(Clash {
                severity: Severity::Warning,
                ..clash("clash.ptime-g722", &["RTP_PTIME", codec], reason, "RTP_PTIME=\"20\", or G.722 switched off on every line")
            });
        }
    }

    /// B177: MIN <= NOM < MAX.
    fn jitter(&self, line: u8, clashes: &mut Vec<Clash>) {
        let names = ["MIN_DELAY_", "NOM_DELAY_", "MAX_DELAY_"].map(|stem| canonical(&format!("{stem}{line}")).unwrap_or(""));
        let [least, first, most] = names.map(|name| self.number(name));
        if least > first || first >= most {
            let reason = format!("the jitter buffer of line {line} has minimum {least}, initial {first}, maximum {most}");
            clashes.push(clash("clash.jitter-order", &names, reason, "minimum <= initial < maximum"));
        }
    }

    /// B181.
    fn shared_call(&self, line: u8, clashes: &mut Vec<Clash>) {
        let names =
            ["SHARED_CALL_ENABLE_", "FWD_DND_SYNCHRO_ENABLE_"].map(|stem| canonical(&format!("{stem}{line}")).unwrap_or(""));
        if names.iter().all(|name| self.text(name) == "Y") {
            let reason = format!("line {line} cannot be shared and synchronise do-not-disturb and forwarding at once");
            clashes.push(clash("clash.shared-call", &names, reason, "N for one of the two"));
        }
    }

    /// B179.
    fn forwarding(&self, line: u8, clashes: &mut Vec<Clash>) {
        for kind in ["ALL", "BUSY", "NOANSWER"] {
            self.needs(&format!("FWD_{kind}_ENABLE_{line}"), &["Y"], &format!("FWD_{kind}_NUMBER_{line}"), clashes);
        }
    }

    /// B3, B167, B172.
    fn required(&self, clashes: &mut Vec<Clash>) {
        self.needs("HTTP_PROXY_ENABLE", &["Y"], "HTTP_PROXY_ADDR", clashes);
        self.needs("DNS_MODE", &["MANUAL"], "DHCP_DNS1", clashes);
        self.needs("CONNECTION_MODE", &["STATIC"], "STATIC_IP_ADDRESS", clashes);
        self.needs("CONNECTION_MODE", &["STATIC"], "STATIC_SUBNET_MASK", clashes);
        for line in 1..=LINES {
            self.needs(&format!("GLOBAL_IP_ENABLE_{line}"), &["Y"], "GLOBAL_IP_ADDRESS", clashes);
        }
        if self.text("GLOBAL_IP_ADDRESS").is_empty() {
            for (name, _) in self.ports("EXTERNAL_RTP_PORT", 25).iter().filter(|(_, port)| *port != 0) {
                let reason = format!("{name} needs GLOBAL_IP_ADDRESS, which is empty");
                clashes.push(clash("clash.required", &[name, "GLOBAL_IP_ADDRESS"], reason, "set GLOBAL_IP_ADDRESS too"));
            }
        }
    }

    fn needs(&self, switch: &str, on: &[&str], needed: &str, clashes: &mut Vec<Clash>) {
        if !on.contains(&self.text(switch)) || !self.text(needed).is_empty() {
            return;
        }
        if let (Some(switch), Some(needed)) = (canonical(switch), canonical(needed)) {
            let reason = format!("{switch} needs {needed}, which is empty");
            clashes.push(clash("clash.required", &[switch, needed], reason, &format!("set {needed} too")));
        }
    }
}

fn canonical(name: &str) -> Option<&'static str> {
    parameter(name).map(|found: Parameter| found.name)
}

fn clash(code: &'static str, parameters: &[&'static str], reason: String, suggestion: &str) -> Clash {
    Clash { code, severity: Severity::Error, parameters: parameters.to_vec(), reason, suggestion: suggestion.to_owned() }
}
