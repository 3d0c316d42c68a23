//! The dealer preset, the lab's own or one that the user names, and the overlay that carries the options of the command line.
//! A file with an error is refused before anything starts. The phone's maker must never be asked for a configuration file: the
//! factory default of CFG_STANDARD_FILE_PATH names a host of his, so a preset that says nothing about it gets an empty value.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use agreements::{Diagnosis, Severity, WallTime};
use settings::{Layers, catalogue, plain};

use super::error::LabError;
use super::folders;
use super::options::Options;
use super::users::Identity;

const OWN: &str = include_str!("../../presets/lab.cfg");
const OWN_NAME: &str = "lab.cfg";
const OVERLAY_NAME: &str = "phonelab-options.cfg";
const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!";
/// The row whose factory default must not be followed.
const STANDARD_FILE: &str = "CFG_STANDARD_FILE_PATH";
/// Lines of a broken file that are shown at most.
const MOST_SHOWN: usize = 20;

/// A preset that has been found good, with the overlay that goes before it.
#[derive(Debug)]
pub struct Preset {
    name: String,
    bytes: Vec<u8>,
    overlay: String,
}

/// The accounts of the lab exchange: line 1 of the lab's own preset, and one more for a second phone.
pub fn lab_accounts() -> Vec<(String, String)> {
    let own = plain::parse_preset(OWN.as_bytes(), OWN_NAME);
    let value = |name: &str| own.accepted.iter().find(|setting| setting.name == name).map(|setting| setting.value.clone());
    let phone = value("SIP_AUTHID_1").zip(value("SIP_PASS_1"));
    phone.into_iter().chain([("201".to_owned(), "lab-201-secret".to_owned())]).collect()
}

/// Reads and lints it, and makes the overlay.
pub fn check(options: &Options) -> Result<Preset, LabError> {
    let (path, bytes) = match &options.preset {
        None => (PathBuf::from(OWN_NAME), OWN.as_bytes().to_vec()),
        Some(path) => (path.clone(), std::fs::read(path).map_err(LabError::file(path))?),
    };
    let outcome = plain::parse_preset(&bytes, &path.display().to_string());
    let says_nothing = !outcome.accepted.iter().any(|setting| setting.name == STANDARD_FILE);
    let overlay = overlay(options, says_nothing);
    let mut layers = Layers::new();
    let over = plain::parse_preset(overlay.as_bytes(), OVERLAY_NAME);
    let mut findings = [over.diagnoses.clone(), outcome.diagnoses.clone()].concat();
    let rejected = outcome.rejected;
    findings.extend(layers.set_dealer(&[over, outcome], WallTime::Unset));
    findings.retain(|finding| finding.severity == Severity::Error);
    if rejected || !findings.is_empty() {
        return Err(LabError::BadPreset(shown(&path, &bytes, &findings)));
    }
    match layers.effective(STANDARD_FILE) {
        Some(url) if names_the_maker(url) => Err(LabError::BadPreset(format!(
            "{}: {STANDARD_FILE}=\"{url}\" names a host of the phone's maker, which the lab does not look up",
            path.display()
        ))),
        Some(_) | None => {
            let name = path.file_name().map_or(OWN_NAME.to_owned(), |name| name.to_string_lossy().into_owned());
            Ok(Preset { name, bytes, overlay })
        }
    }
}

/// Writes overlay and preset into `folder`, in the order in which provisioning-agent wants them: the first that names a value
/// wins. They belong to `owner`.
pub fn install(preset: &Preset, folder: &Path, owner: Option<&Identity>) -> Result<Vec<PathBuf>, LabError> {
    let name = if preset.name == OVERLAY_NAME { "preset.cfg" } else { &preset.name };
    let files = [(OVERLAY_NAME, preset.overlay.as_bytes()), (name, preset.bytes.as_slice())];
    let mut paths = Vec::new();
    for (name, bytes) in files {
        let path = folder.join(name);
        write_private(&path, bytes).map_err(LabError::file(&path))?;
        if let Some(owner) = owner {
            folders::give(&path, owner)?;
        }
        paths.push(path);
    }
    Ok(paths)
}

/// A preset holds passwords.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

fn overlay(options: &Options, empty_standard_file: bool) -> String {
    let mut text = format!("{FIRST_LINE}\r\n\r\n# The options of the command line.\r\n");
    let mut row = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{name}=\"{value}\"\r\n");
    };
    row("SIM_ADDRESS", &options.address);
    row("SIM_MAC", &options.mac);
    row("WEB_SERVER_PORT", &options.web_port);
    row("SIM_DHCP_INTERFACE", &options.dhcp_interface);
    row("SIM_LLDPD_SOCKET", &options.lldpd);
    if empty_standard_file {
        row(STANDARD_FILE, &"");
    }
    text.push_str("\r\n");
    text
}

/// Whether a URL has the host of the factory default.
fn names_the_maker(url: &str) -> bool {
    let makers = catalogue::parameter(STANDARD_FILE).map(|parameter| parameter.default());
    makers.is_some_and(|default| !host(default).is_empty() && host(url).eq_ignore_ascii_case(host(default)))
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

fn shown(path: &Path, bytes: &[u8], errors: &[Diagnosis]) -> String {
    let mut message = format!("the preset {} cannot be used", path.display());
    for error in errors.iter().take(MOST_SHOWN) {
        let _ = write!(message, "\n{}", plain::render(error, Some(bytes)).trim_end());
    }
    if errors.len() > MOST_SHOWN {
        let _ = write!(message, "\n... and {} more errors", errors.len() - MOST_SHOWN);
    }
    message
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        Line::parse_from(["phonelab"].iter().chain(arguments)).options
    }

    fn with_preset(text: &str) -> Result<Preset, LabError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dealer.cfg");
        std::fs::write(&path, format!("{FIRST_LINE}\r\n\r\n{text}\r\n\r\n")).unwrap();
        check(&options(&["--preset", &path.display().to_string()]))
    }

    #[test]
    fn the_labs_own_preset_is_without_fault() {
        assert!(plain::parse_preset(OWN.as_bytes(), OWN_NAME).diagnoses.is_empty());
        assert!(check(&options(&[])).is_ok());
        assert_eq!(lab_accounts().iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["200", "201"]);
    }

    #[test]
    fn the_overlay_carries_the_options() {
        let preset = check(&options(&["--address", "127.0.0.9", "--mac", "00:11:22:aa:bb:cc", "--web-port", "9090"])).unwrap();
        for row in ["SIM_ADDRESS=\"127.0.0.9\"", "SIM_MAC=\"001122AABBCC\"", "WEB_SERVER_PORT=\"9090\""] {
            assert!(preset.overlay.contains(row), "{row} in {}", preset.overlay);
        }
    }

    #[test]
    fn a_bad_line_is_shown_with_line_and_caret() {
        let text = with_preset("SIP_SRC_PORT_1=\"99999\"").unwrap_err().to_string();
        assert!(text.contains("dealer.cfg:3:") && text.contains('^') && text.contains("SIP_SRC_PORT_1=\"99999\""), "{text}");
    }

    /// The factory default names a host of the phone's maker; no lab may look it up.
    #[test]
    fn the_phones_maker_is_never_asked_for_a_file() {
        assert!(with_preset("PHONE_NUMBER_1=\"200\"").unwrap().overlay.contains("CFG_STANDARD_FILE_PATH=\"\""));
        assert!(!with_preset("CFG_STANDARD_FILE_PATH=\"http://127.0.0.4/a.cfg\"").unwrap().overlay.contains(STANDARD_FILE));
        let default = catalogue::parameter(STANDARD_FILE).unwrap().default();
        assert!(with_preset(&format!("CFG_STANDARD_FILE_PATH=\"{default}\"")).is_err());
    }
}
