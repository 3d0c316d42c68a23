//! nginx: serves configuration files from a folder, and its log says who asked for what.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::authority::Certificate;
use crate::namespace::{FILES, Namespace};
use crate::{LIMIT, programs};

/// A running nginx on port 80 of [`FILES`], and on port 443 where it has a certificate.
pub struct WebServer {
    child: Child,
    folder: tempfile::TempDir,
}

impl WebServer {
    /// Starts it and waits until it accepts.
    pub fn start(namespace: &Namespace) -> WebServer {
        WebServer::start_with(namespace, "")
    }

    /// The same with TLS besides.
    pub fn start_with_certificate(namespace: &Namespace, own: &Certificate) -> WebServer {
        let (certificate, key) = (own.certificate.display(), own.key.display());
        let listen = format!("listen {FILES}:443 ssl; ssl_certificate {certificate}; ssl_certificate_key {key};");
        WebServer::start_with(namespace, &listen)
    }

    fn start_with(namespace: &Namespace, secure: &str) -> WebServer {
        let folder = tempfile::tempdir().expect("a folder");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its rights");
        std::fs::create_dir(folder.path().join("files")).expect("the served folder");
        let root = folder.path().display().to_string();
        let configuration = folder.path().join("nginx.conf");
        let text = programs::filled("nginx/nginx.conf", &[("LISTEN", FILES), ("FOLDER", &root), ("SECURE", secure)]);
        std::fs::write(&configuration, text).expect("its configuration");
        let child = namespace
            .command("nginx")
            .arg("-c")
            .arg(&configuration)
            .args(["-p", &root, "-e", &format!("{root}/error.log")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx");
        let server = WebServer { child, folder };
        let accepts = namespace.inside(accepts_connections);
        assert!(accepts, "nginx does not listen: {}", server.read("error.log"));
        server
    }

    /// Puts a file there, as it is.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.served().join(name), bytes).expect("a served file");
    }

    /// Its URL.
    pub fn url(&self, name: &str) -> String {
        format!("http://{FILES}/{name}")
    }

    /// One line per request: status, path, User-Agent.
    pub fn requests(&self) -> Vec<String> {
        self.read("access.log").lines().map(str::to_owned).collect()
    }

    /// Stops it: from now on connections are refused.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn served(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join(name)).unwrap_or_default()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accepts_connections() -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if TcpStream::connect((FILES, 80)).is_ok() {
            return true;
        }
        // Refused at once while nobody listens: let it get on.
        std::thread::yield_now();
    }
    false
}
