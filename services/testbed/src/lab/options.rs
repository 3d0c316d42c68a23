//! What `phonelab up` can be told.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The phone's address.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The phone's web port.
const WEB_PORT: u16 = 8080;
/// The phone's MAC address.
const MAC: &str = "0080F0ABCDEF";

/// `phonelab up`
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    place: Place,
    /// Address of the phone
    #[arg(long, value_name = "IP", default_value_t = ADDRESS)]
    pub address: IpAddr,
    /// Dealer preset: a configuration file between factory defaults and pre-provisioning [default: the lab's own]
    #[arg(long, value_name = "FILE")]
    pub preset: Option<PathBuf>,
    /// Port of the web page
    #[arg(long, value_name = "N", default_value_t = WEB_PORT, value_parser = web_port)]
    pub web_port: u16,
    /// MAC address of the phone, twelve hexadecimal digits
    #[arg(long, default_value = MAC, value_parser = mac)]
    pub mac: String,
    /// Link of this PC on which the phone asks the DHCP server where its pre-provisioning file is [default: it asks nobody]
    #[arg(long, value_name = "LINK", default_value = "")]
    pub dhcp_interface: String,
    /// Control socket of an lldpd of this PC that the phone rules [default: it rules none]
    #[arg(long, value_name = "SOCKET", default_value = "")]
    pub lldpd: String,
    /// Without the lab exchange
    #[arg(long)]
    pub no_exchange: bool,
    /// What the microphone hears: a WAV file, what the far end says (loop), or nothing (silence) [default: the sound card]
    #[arg(long, value_name = "WAV|loop|silence")]
    pub audio_feed: Option<String>,
    /// A WAV file that records what the earpiece plays
    #[arg(long, value_name = "WAV")]
    pub audio_record: Option<PathBuf>,
}

/// Which lab.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// Folder where the phone's state survives [default: /var/lib/deskphone-lab as root, else ~/.local/state/deskphone-lab]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Options {
    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.place.state()
    }
}

impl Place {
    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(default_state)
    }
}

fn default_state() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/deskphone-lab");
    }
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".local/state");
    base.unwrap_or_else(home).join("deskphone-lab")
}

/// The range of WEB_SERVER_PORT.
fn web_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port @ (80 | 1024..=49151)) => Ok(port),
        _ => Err("80, or 1024 to 49151".to_owned()),
    }
}

fn mac(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|character| !matches!(character, ':' | '-')).collect();
    if digits.len() == 12 && digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        Ok(digits.to_ascii_uppercase())
    } else {
        Err("twelve hexadecimal digits, with or without colons".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{mac, web_port};

    #[test]
    fn a_mac_address_is_twelve_digits_however_it_is_grouped() {
        assert_eq!(mac("00:80:f0:ab:cd:ef").as_deref(), Ok("0080F0ABCDEF"));
        for wrong in ["", "0080F0ABCDE", "0080F0ABCDEG", "0080F0ABCDEF0"] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_web_port_is_80_or_a_registered_one() {
        assert_eq!(web_port("80"), Ok(80));
        assert!(web_port("81").is_err() && web_port("49152").is_err() && web_port("1024").is_ok());
    }
}
