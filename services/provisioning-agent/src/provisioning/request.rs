//! From the settings to what the child is asked for.

use agreements::{Diagnosis, Secret, Severity};
use settings::container::Slot;
use settings::layers::{Layer, Layers};
use settings::template::{FileKind, expand, file_url, without_password};

use super::exchange::{FileKey, HttpAccount, Request, RootCertificate, Verification, Wanted};
use super::identity::Identity;
use super::memory::Memory;
use super::place;

/// To connect to a server, in milliseconds.
const CONNECT: u64 = 10_000;
/// For one file, in milliseconds.
const FILE: u64 = 30_000;

/// A run: the request, and which file each of its entries is.
pub struct Run {
    /// For the child.
    pub request: Request,
    /// The layer of each file of the request.
    pub layers: Vec<Layer>,
    /// Paths that cannot be asked for.
    pub unusable: Vec<(FileKind, Diagnosis)>,
}

/// What the settings ask for. An empty path: there is no such file.
pub fn of(layers: &Layers, identity: &Identity, memory: &Memory) -> Run {
    let setting = |name: &str| layers.effective(name).unwrap_or("");
    let verification = verification(setting("HTTP_SSL_VERIFY"), identity.clock_set);
    let mut run = Run {
        request: Request {
            user_agent: expand(setting("HTTP_USER_AGENT"), &identity.facts),
            http_1_0: setting("HTTP_VER") == "1",
            verification,
            root_certificate: root_certificate(setting("CFG_ROOT_CERTIFICATE_PATH"), memory),
            account: account(setting("HTTP_AUTH_ID"), setting("HTTP_AUTH_PASS")),
            proxy: proxy(setting("HTTP_PROXY_ENABLE"), setting("HTTP_PROXY_ADDR"), setting("HTTP_PROXY_PORT")),
            connect_timeout: CONNECT,
            file_timeout: FILE,
            files: Vec::new(),
        },
        layers: Vec::new(),
        unusable: Vec::new(),
    };
    for kind in FileKind::ALL {
        let Some(url) = file_url(kind, setting(kind.parameter()), &identity.facts) else { continue };
        let shown = without_password(&url);
        if usable(&url) {
            let known = memory.file(layers, kind.into(), &url).map(|file| file.known.clone());
            let key = Slot::of(&url).map(|slot| file_key(layers, slot));
            run.request.files.push(Wanted { url, shown, known, key, content: None });
            run.layers.push(kind.into());
        } else {
            run.unusable.push((kind, not_a_url(kind, shown)));
        }
    }
    run
}

/// The one file of pre-provisioning at this place (B29).
pub fn pre_provisioning(layers: &Layers, identity: &Identity, memory: &Memory, url: &str) -> Run {
    let key = Slot::of(url).map(|slot| file_key(layers, slot));
    let wanted = Wanted { url: url.to_owned(), shown: without_password(url), known: None, key, content: None };
    of(layers, identity, memory).with_only(Layer::PreProvisioning, wanted)
}

impl Run {
    /// In place of the files that the settings name.
    pub fn with_only(mut self, layer: Layer, wanted: Wanted) -> Run {
        self.request.files = vec![wanted];
        self.layers = vec![layer];
        self.unusable.clear();
        self
    }
}

/// The check needs the right time: without it there is none, whatever the setting says.
fn verification(setting: &str, clock_set: bool) -> Verification {
    match setting {
        "1" if clock_set => Verification::Chain,
        "2" if clock_set => Verification::ChainAndName,
        _ => Verification::None,
    }
}

/// The key of encrypted files with this extension.
pub fn file_key(layers: &Layers, slot: Slot) -> FileKey {
    let setting = |name: &str| layers.effective(name).unwrap_or("").to_owned();
    FileKey { key: setting(slot.parameter()), length: setting("CFG_FILE_KEY_LENGTH") }
}

/// With what came from the same URL before, which counts while its server is away.
fn root_certificate(url: &str, memory: &Memory) -> Option<RootCertificate> {
    let wanted = Wanted { url: url.to_owned(), shown: without_password(url), known: None, key: None, content: None };
    usable(url).then(|| RootCertificate { wanted, kept: memory.root_certificate(url) })
}

/// C28.
fn account(user: &str, password: &str) -> Option<HttpAccount> {
    (!user.is_empty()).then(|| HttpAccount { user: user.to_owned(), password: Secret::new(password) })
}

/// B172, B173.
fn proxy(enabled: &str, host: &str, port: &str) -> Option<String> {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    (enabled == "Y" && !host.is_empty()).then(|| format!("{host}:{port}"))
}

fn usable(url: &str) -> bool {
    place::place(url).is_some() && url.len() <= 2_000 && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn not_a_url(kind: FileKind, shown: String) -> Diagnosis {
    let mut diagnosis = about_a_path(kind, shown, "file.not-a-url");
    diagnosis.reason = "the path is not a URL that can be asked for".to_owned();
    diagnosis.suggestion = "scheme://host/path with http, https, ftp or tftp".to_owned();
    diagnosis
}

fn about_a_path(kind: FileKind, shown: String, code: &str) -> Diagnosis {
    Diagnosis {
        file: shown,
        line: 0,
        column: 0,
        code: code.to_owned(),
        name: kind.parameter().to_owned(),
        severity: Severity::Error,
        reason: String::new(),
        suggestion: String::new(),
        arguments: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use settings::plain;

    use super::*;

    fn layers(lines: &str) -> Layers {
        let text = format!("# Panasonic SIP Phone Standard Format File #\r\n{lines}\r\n");
        let mut layers = Layers::new();
        let refused = layers.set_dealer(&[plain::parse_preset(text.as_bytes(), "dealer.cfg")], agreements::WallTime::Unset);
        assert!(refused.is_empty(), "{refused:?}");
        layers
    }

    fn identity() -> Identity {
        let facts = settings::template::Facts { mac: "0080F0ABCDEF".into(), model: "KX-UT670".into(), firmware: "01.070".into() };
        Identity { facts, clock_set: true, ..Identity::default() }
    }

    #[test]
    fn a_path_of_the_factory_defaults_is_asked_for_and_a_preset_can_empty_it() {
        // B280, C66; nothing is sent here: this only says what would be asked for
        let run = of(&Layers::new(), &identity(), &Memory::default());
        let shown: Vec<&str> = run.request.files.iter().map(|wanted| wanted.shown.as_str()).collect();
        assert_eq!(shown, ["http://provisioning.e-connecting.net/redirect/conf/0080f0abcdef.cfg"]);
        let emptied = of(&layers("CFG_STANDARD_FILE_PATH=\"\""), &identity(), &Memory::default());
        assert!(emptied.request.files.is_empty() && emptied.unusable.is_empty());
    }

    #[test]
    fn files_are_asked_for_as_the_settings_say() {
        // B37, B50, B53, B54, B55, HTTP_VER, HTTP_SSL_VERIFY
        let paths = "CFG_STANDARD_FILE_PATH=\"http://joe:secret@a/\"\r\nCFG_PRODUCT_FILE_PATH=\"http://b/\"\r\nCFG_MASTER_FILE_PATH=\"http://c/\"";
        let run = of(&layers(&format!("{paths}\r\nHTTP_VER=\"0\"\r\nHTTP_SSL_VERIFY=\"2\"")), &identity(), &Memory::default());
        let urls: Vec<&str> = run.request.files.iter().map(|wanted| wanted.url.as_str()).collect();
        assert_eq!(urls, ["http://c/sip.cfg", "http://b/KX-UT670.cfg", "http://joe:secret@a/Config0080f0abcdef.cfg"]);
        assert_eq!(run.layers, FileKind::ALL.map(Layer::from));
        assert!(!run.request.files[2].shown.contains("secret"));
        assert_eq!((run.request.http_1_0, run.request.verification), (false, Verification::ChainAndName));
        assert_eq!(run.request.user_agent, "Panasonic_KX-UT670/01.070 (0080f0abcdef)");
    }

    #[test]
    fn only_the_key_that_a_file_needs_is_handed_on() {
        // B60, B63
        let key = "2".repeat(32);
        let lines = format!(
            "CFG_STANDARD_FILE_PATH=\"http://a/x.e2c\"\r\nCFG_MASTER_FILE_PATH=\"http://a/x.cfg\"\r\n\
             CFG_FILE_KEY1=\"{}\"\r\nCFG_FILE_KEY2=\"{key}\"\r\nCFG_FILE_KEY_LENGTH=\"256\"",
            "1".repeat(32)
        );
        let run = of(&layers(&lines), &identity(), &Memory::default());
        let keys: Vec<_> = run.request.files.iter().map(|wanted| wanted.key.as_ref().map(|one| (&one.key, &*one.length))).collect();
        assert_eq!(keys, [None, Some((&key, "256"))]);
        assert!(!format!("{:?}", run.request).contains(&key));
    }

    #[test]
    fn a_certificate_is_not_checked_while_the_clock_is_not_set() {
        let run = of(&layers("HTTP_SSL_VERIFY=\"2\""), &Identity { clock_set: false, ..identity() }, &Memory::default());
        assert_eq!(run.request.verification, Verification::None);
    }
}
