//! From the settings to what the child is asked for.

use agreements::{Diagnosis, Severity};
use settings::layers::Layers;
use settings::template::{FileKind, expand, file_url, without_password};

use super::exchange::{Request, Verification, Wanted};
use super::identity::Identity;

/// To connect to a server, in milliseconds.
const CONNECT: u64 = 10_000;
/// For one file, in milliseconds.
const FILE: u64 = 30_000;
/// The schemes of B35.
const SCHEMES: [&str; 4] = ["http://", "https://", "ftp://", "tftp://"];

/// A run: the request, and which file each of its entries is.
pub struct Run {
    /// For the child.
    pub request: Request,
    /// One per file of the request.
    pub kinds: Vec<FileKind>,
    /// Paths that cannot be asked for.
    pub unusable: Vec<(FileKind, Diagnosis)>,
}

/// What the settings ask for. An empty path: there is no such file.
pub fn of(layers: &Layers, identity: &Identity) -> Run {
    let setting = |name: &str| layers.effective(name).unwrap_or("");
    let mut run = Run {
        request: Request {
            user_agent: expand(setting("HTTP_USER_AGENT"), &identity.facts),
            http_1_0: setting("HTTP_VER") == "1",
            verification: verification(setting("HTTP_SSL_VERIFY"), identity.clock_set),
            connect_timeout: CONNECT,
            file_timeout: FILE,
            files: Vec::new(),
        },
        kinds: Vec::new(),
        unusable: Vec::new(),
    };
    for kind in FileKind::ALL {
        let Some(url) = file_url(kind, setting(kind.parameter()), &identity.facts) else { continue };
        let shown = without_password(&url);
        if usable(&url) {
            run.request.files.push(Wanted { url, shown });
            run.kinds.push(kind);
        } else {
            run.unusable.push((kind, not_a_url(kind, shown)));
        }
    }
    run
}

/// The check needs the right time: without it there is none, whatever the setting says.
fn verification(setting: &str, clock_set: bool) -> Verification {
    match setting {
        "1" if clock_set => Verification::Chain,
        "2" if clock_set => Verification::ChainAndName,
        _ => Verification::None,
    }
}

fn usable(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| lower.starts_with(scheme)) && url.len() <= 2_000 && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn not_a_url(kind: FileKind, shown: String) -> Diagnosis {
    Diagnosis {
        file: shown,
        line: 0,
        column: 0,
        code: "file.not-a-url".to_owned(),
        name: kind.parameter().to_owned(),
        severity: Severity::Error,
        reason: "the path is not a URL that can be asked for".to_owned(),
        suggestion: "scheme://host/path with http, https, ftp or tftp".to_owned(),
        arguments: std::collections::BTreeMap::new(),
    }
}
