//! Bus names, object paths and proxies. The proxies do not cache: zbus's property cache does not follow a restarted peer. The
//! contract is `dbus/*.xml`; the contracts test holds the served objects against it.

use std::collections::HashMap;

use zbus::proxy;
use zbus::{ObjectPath, OwnedObjectPath, Variant};

/// The trailing options of every method and signal.
pub type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// Served by sip-agent.
pub const SIP_NAME: &str = "org.deskphone.Sip1";
/// ObjectManager and the phone.
pub const SIP_PATH: &str = "/org/deskphone/Sip1";
/// Served by provisioning-agent.
pub const SETTINGS_NAME: &str = "org.deskphone.Settings1";
/// The settings.
pub const SETTINGS_PATH: &str = "/org/deskphone/Settings1";
/// Served by provisioning-agent.
pub const PROVISIONING_NAME: &str = "org.deskphone.Provisioning1";
/// Provisioning.
pub const PROVISIONING_PATH: &str = "/org/deskphone/Provisioning1";
/// Served by hal-agent.
pub const HAL_NAME: &str = "org.deskphone.Hal1";
/// The board.
pub const HAL_PATH: &str = "/org/deskphone/Hal1";
/// Served by media-engine.
pub const MEDIA_NAME: &str = "org.deskphone.Media1";
/// The sound.
pub const MEDIA_PATH: &str = "/org/deskphone/Media1";
/// Served by web-ui.
pub const WEB_NAME: &str = "org.deskphone.Web1";
/// The web port.
pub const WEB_PATH: &str = "/org/deskphone/Web1";

/// The object path of a line, 1 to 6.
pub fn line_path(line: u8) -> String {
    format!("{SIP_PATH}/line/{line}")
}

/// The object path of a call.
pub fn call_path(identity: &str) -> String {
    format!("{SIP_PATH}/call/{identity}")
}

/// One value of a commit of Settings1.History: layer, parameter, had a value, which, has a value, which.
pub type CommitLine = (String, String, bool, String, bool, String);
/// One commit of Settings1.History: revision, Unix time or 0, who, way, number of changes, the first of them.
pub type CommitTuple = (u64, u64, String, String, u32, Vec<CommitLine>);

/// One diagnosis of Provisioning1: file, line, column, code, parameter, severity, reason, suggestion.
pub type DiagnosisTuple = (String, u32, u32, String, String, String, String, String);
/// A file of a run, as on the bus: kind, URL without password, outcome, applied values, skipped lines.
pub type FileTuple = (String, String, String, u32, u32);
/// A run, as on the bus: Unix seconds, why it began, how it ended, revision after it, its files, its diagnoses.
pub type RunTuple = (u64, String, String, u64, Vec<FileTuple>, Vec<DiagnosisTuple>);

#[allow(missing_docs)]
mod proxies {
    use super::*;

    #[proxy(interface = "org.deskphone.Sip1.Phone", default_service = "org.deskphone.Sip1", default_path = "/org/deskphone/Sip1")]
    pub trait Phone {
        fn dial(&self, number: &str, line: u8, options: Options<'_>) -> zbus::Result<OwnedObjectPath>;
        fn call_mailbox(&self, line: u8, options: Options<'_>) -> zbus::Result<OwnedObjectPath>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn epoch(&self) -> zbus::Result<u64>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn applied_revision(&self) -> zbus::Result<u64>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn calls_up(&self) -> zbus::Result<u32>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn pending_digits(&self) -> zbus::Result<String>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn hook(&self) -> zbus::Result<String>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn resync_requests(&self) -> zbus::Result<u64>;
    }

    #[proxy(interface = "org.deskphone.Sip1.Line", default_service = "org.deskphone.Sip1")]
    pub trait Line {
        fn register(&self, options: Options<'_>) -> zbus::Result<()>;
    }

    #[proxy(interface = "org.deskphone.Sip1.Call", default_service = "org.deskphone.Sip1")]
    pub trait Call {
        fn answer(&self, options: Options<'_>) -> zbus::Result<()>;
        fn reject(&self, options: Options<'_>) -> zbus::Result<()>;
        fn hangup(&self, options: Options<'_>) -> zbus::Result<()>;
        fn hold(&self, options: Options<'_>) -> zbus::Result<()>;
        fn resume(&self, options: Options<'_>) -> zbus::Result<()>;
        fn send_digits(&self, digits: &str, options: Options<'_>) -> zbus::Result<()>;
        fn send_flash_hook(&self, options: Options<'_>) -> zbus::Result<()>;
        fn transfer(&self, target: &str, options: Options<'_>) -> zbus::Result<()>;
        fn transfer_to(&self, other: &ObjectPath<'_>, options: Options<'_>) -> zbus::Result<()>;
        #[zbus(signal)]
        fn digit_received(&self, digit: String, duration: u32, options: HashMap<String, Variant<'_>>) -> zbus::Result<()>;
    }

    #[proxy(
        interface = "org.deskphone.Settings1",
        default_service = "org.deskphone.Settings1",
        default_path = "/org/deskphone/Settings1"
    )]
    pub trait Settings {
        fn get(&self, name: &str) -> zbus::Result<String>;
        fn list(&self) -> zbus::Result<Vec<(String, String, String)>>;
        fn set(&self, changes: HashMap<&str, &str>, expected: u64, options: Options<'_>) -> zbus::Result<u64>;
        #[allow(clippy::type_complexity)]
        fn explain(&self, name: &str) -> zbus::Result<(String, String, Vec<(String, String, String, u32, u64)>)>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn epoch(&self) -> zbus::Result<u64>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn revision(&self) -> zbus::Result<u64>;
        fn reasons(&self, name: &str) -> zbus::Result<(Vec<(String, String)>, Vec<String>)>;
        fn history(&self) -> zbus::Result<Vec<CommitTuple>>;
        fn undo(&self, expected: u64, options: Options<'_>) -> zbus::Result<u64>;
        fn remove(&self, layer: &str, names: &[&str], expected: u64, options: Options<'_>) -> zbus::Result<u64>;
        fn reset(&self, scope: &str, options: Options<'_>) -> zbus::Result<u64>;
        fn reveal(&self, layer: &str, options: Options<'_>) -> zbus::Result<Vec<(String, String)>>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn clear_wanted(&self) -> zbus::Result<(u64, String)>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn alarms(&self) -> zbus::Result<Vec<String>>;
        #[zbus(signal)]
        fn changed(&self, revision: u64, names: Vec<String>, options: HashMap<String, Variant<'_>>) -> zbus::Result<()>;
    }

    #[proxy(
        interface = "org.deskphone.Provisioning1",
        default_service = "org.deskphone.Provisioning1",
        default_path = "/org/deskphone/Provisioning1"
    )]
    pub trait Provisioning {
        fn run(&self, options: Options<'_>) -> zbus::Result<u64>;
        fn import(&self, kind: &str, name: &str, content: &[u8], options: Options<'_>) -> zbus::Result<u64>;
        fn card_files(&self) -> zbus::Result<Vec<String>>;
        fn import_from_card(&self, kind: &str, name: &str, options: Options<'_>) -> zbus::Result<u64>;
        fn files(&self) -> zbus::Result<Vec<FileTuple>>;
        fn diagnoses(&self) -> zbus::Result<Vec<DiagnosisTuple>>;
        fn runs(&self) -> zbus::Result<Vec<RunTuple>>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn state(&self) -> zbus::Result<String>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn last_run(&self) -> zbus::Result<u64>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn restart_wanted(&self) -> zbus::Result<(String, bool)>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn restart_waits_for(&self) -> zbus::Result<String>;
        #[zbus(signal)]
        fn run_finished(&self, run: u64, outcome: String, revision: u64, options: HashMap<String, Variant<'_>>)
        -> zbus::Result<()>;
    }

    #[proxy(interface = "org.deskphone.Hal1", default_service = "org.deskphone.Hal1", default_path = "/org/deskphone/Hal1")]
    pub trait Hal {
        fn set_lamp(&self, lamp: &str, pattern: &str) -> zbus::Result<()>;
        fn restart(&self) -> zbus::Result<()>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn hook(&self) -> zbus::Result<String>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn lamps(&self) -> zbus::Result<HashMap<String, String>>;
        #[zbus(property(emits_changed_signal = "false"))]
        fn keys(&self) -> zbus::Result<Vec<String>>;
        #[zbus(signal)]
        fn key(&self, name: String, action: String, options: HashMap<String, Variant<'_>>) -> zbus::Result<()>;
    }

    #[proxy(
        interface = "org.deskphone.Hal1.Simulator",
        default_service = "org.deskphone.Hal1",
        default_path = "/org/deskphone/Hal1"
    )]
    pub trait Simulator {
        fn set_hook(&self, position: &str) -> zbus::Result<()>;
        fn press_key(&self, name: &str) -> zbus::Result<()>;
        fn move_card(&self, folder: &str) -> zbus::Result<()>;
        fn move_cable(&self, link: &str, address: &str) -> zbus::Result<()>;
    }

    #[proxy(interface = "org.deskphone.Media1", default_service = "org.deskphone.Media1", default_path = "/org/deskphone/Media1")]
    pub trait Media {
        fn set_volume(&self, route: &str, percent: u8) -> zbus::Result<()>;
    }

    #[proxy(interface = "org.deskphone.Web1", default_service = "org.deskphone.Web1", default_path = "/org/deskphone/Web1")]
    pub trait Web {
        fn open_port(&self) -> zbus::Result<()>;
        fn close_port(&self) -> zbus::Result<()>;
    }
}

pub use proxies::*;
