//! The dealer preset, the lab's own or one that the user names, and the overlay that carries the options of the command line.
//! A file with an error is refused before anything starts. The phone's maker must never be asked for a configuration file: the
//! factory default of CFG_STANDARD_FILE_PATH names a host of his, so a preset that says nothing about it gets an empty value.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use agreements::{Diagnosis, Severity};
use settings::{catalogue, plain};

use super::error::LabError;
use super::options::Options;

const OWN: &str = include_str!("../../presets/lab.cfg");
const OWN_NAME: &str = "lab.cfg";
const OVERLAY_NAME: &str = "phonelab-options.cfg";
const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!";
/// The row whose factory default must not be followed.
const STANDARD_FILE: &str = "CFG_STANDARD_FILE_PATH";
/// Lines of a broken file that are shown at most.
const MOST_SHOWN: usize = 20;

/// A preset that has been found good.
#[derive(Debug)]
pub struct Preset {
    name: String,
    bytes: Vec<u8>,
    names_standard_file: bool,
}

/// Reads and lints it.
pub fn check(path: Option<&Path>) -> Result<Preset, LabError> {
    let (name, bytes) = match path {
        None => (OWN_NAME.to_owned(), OWN.as_bytes().to_vec()),
        Some(path) => (path.display().to_string(), std::fs::read(path).map_err(LabError::file(path))?),
    };
    let outcome = plain::parse(&bytes, &name);
    let errors: Vec<_> = outcome.diagnoses.iter().filter(|diagnosis| diagnosis.severity == Severity::Error).collect();
    if outcome.rejected || !errors.is_empty() {
        return Err(LabError::BadPreset(shown(&name, &bytes, &errors)));
    }
    let standard = outcome.accepted.iter().find(|(name, _, _)| name == STANDARD_FILE);
    if let Some((_, value, line)) = standard.filter(|(_, value, _)| names_the_maker(value)) {
        return Err(LabError::BadPreset(format!(
            "{name}:{line}: {STANDARD_FILE}=\"{value}\" names a host of the phone's maker, which the lab does not look up"
        )));
    }
    let names_standard_file = standard.is_some();
    let name = Path::new(&name).file_name().map_or(OWN_NAME.to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Preset { name, bytes, names_standard_file })
}

/// Writes overlay and preset into `folder`, in the order in which provisioning-agent wants them: the first that names a value
/// wins.
pub fn install(options: &Options, preset: &Preset, folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let name = if preset.name == OVERLAY_NAME { "preset.cfg" } else { &preset.name };
    let files = [(OVERLAY_NAME, overlay(options, preset).into_bytes()), (name, preset.bytes.clone())];
    let mut paths = Vec::new();
    for (name, bytes) in files {
        let path = folder.join(name);
        write_private(&path, &bytes).map_err(LabError::file(&path))?;
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

fn overlay(options: &Options, preset: &Preset) -> String {
    let mut text = format!("{FIRST_LINE}\r\n\r\n# The options of the command line.\r\n");
    let mut row = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{name}=\"{value}\"\r\n");
    };
    row("SIM_ADDRESS", &options.address);
    row("SIM_MAC", &options.mac);
    row("WEB_SERVER_PORT", &options.web_port);
    if !preset.names_standard_file {
        row(STANDARD_FILE, &"");
    }
    text.push_str("\r\n");
    text
}

/// Whether a URL has the host of the factory default.
fn names_the_maker(url: &str) -> bool {
    let makers = catalogue::parameter(STANDARD_FILE).map(|parameter| parameter.default_value());
    makers.is_some_and(|default| !host(default).is_empty() && host(url).eq_ignore_ascii_case(host(default)))
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

fn shown(name: &str, bytes: &[u8], errors: &[&Diagnosis]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let mut message = format!("the preset {name} cannot be used");
    for error in errors.iter().take(MOST_SHOWN) {
        let line = usize::try_from(error.line).ok().and_then(|line| lines.get(line.checked_sub(1)?)).copied();
        let _ = write!(message, "\n{}", error.with_excerpt(line));
    }
    if errors.len() > MOST_SHOWN {
        let _ = write!(message, "\n... and {} more errors", errors.len() - MOST_SHOWN);
    }
    message
}
