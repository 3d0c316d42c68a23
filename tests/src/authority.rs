//! A certificate authority of the test's own, made by openssl.

use std::path::PathBuf;
use std::process::Command;

/// An authority and what it has issued, in one folder that ends with it.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A server's certificate with its key.
pub struct Certificate {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// A new key without a password.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let authority = Authority { folder: tempfile::tempdir().expect("a folder") };
        let own = ["-subj", "/CN=Lab Root", "-days", "30", "-keyout", "root.key", "-out", "root.pem"];
        authority.openssl(&[&["req", "-x509"][..], &KEY, &own].concat());
        authority
    }

    /// A certificate for an address.
    pub fn issue(&self, address: &str) -> Certificate {
        let san = format!("subjectAltName=IP:{address}");
        let wish = ["-subj", "/CN=server", "-addext", &san, "-keyout", "server.key", "-out", "server.csr"];
        self.openssl(&[&["req"][..], &KEY, &wish].concat());
        let issued = ["-in", "server.csr", "-out", "server.pem", "-days", "30", "-copy_extensions", "copy"];
        self.openssl(&[&["x509", "-req", "-CA", "root.pem", "-CAkey", "root.key"][..], &issued].concat());
        Certificate { certificate: self.folder.path().join("server.pem"), key: self.folder.path().join("server.key") }
    }

    /// Its own certificate, which a phone needs to believe the others.
    pub fn root(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("root.pem")).expect("the root certificate")
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.folder.path()).args(arguments).output().expect("openssl");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}
