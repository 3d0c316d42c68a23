//! Real servers on free ports of 127.0.0.1: an FTP server, a TFTP server, a web server with digest authentication, a proxy, and
//! the certificates of a small authority. Each serves a folder and ends with its value.

use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Process;

/// A server, the folder that it serves, and its port.
pub struct Server {
    pub process: Process,
    pub port: u16,
    pub root: PathBuf,
}

impl Server {
    pub fn serve(&self, name: &str, text: &str) {
        std::fs::write(self.root.join(name), text).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A parent that is killed outright may leave its children behind.
        let pid = rustix::process::Pid::from_child(&self.process.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.0.wait();
    }
}

fn free_port() -> u16 {
    testbed::ports::free_at([127, 0, 0, 1].into()).unwrap()
}

/// A folder that an unprivileged server can read.
fn root(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let root = folder.join("root");
    std::fs::create_dir_all(&root).unwrap();
    for open in [folder.parent().unwrap(), folder, &root] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

/// Starts it and returns once something listens at the TCP port.
fn start(command: Command, port: u16, root: PathBuf) -> Server {
    start_at("127.0.0.1", command, port, root)
}

fn start_at(address: &str, mut command: Command, port: u16, root: PathBuf) -> Server {
    let process = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect((address, port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{command:?} does not listen");
        std::thread::yield_now();
    }
    Server { process, port, root }
}

/// vsftpd with one account: ftp, password "ftp-secret". `extra` are lines of its configuration.
pub fn ftp(folder: &Path, extra: &str) -> Server {
    let (port, root) = (free_port(), root(folder));
    let passwords = folder.join("passwords");
    std::fs::write(&passwords, "ftp-secret\n").unwrap();
    let configuration = folder.join("vsftpd.conf");
    let text = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
         ftp_username=daemon\nanon_root={}\nsecure_email_list_enable=YES\nemail_password_file={}\nno_anon_password=NO\n\
         seccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nxferlog_enable=NO\nsecure_chroot_dir={}\n{extra}\n",
        root.display(),
        passwords.display(),
        root.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let mut command = Command::new("/usr/sbin/vsftpd");
    command.arg(&configuration);
    start(command, port, root)
}

/// tftpd-hpa; `arguments` are further ones of its own.
pub fn tftp(folder: &Path, arguments: &[&str]) -> Server {
    let root = root(folder);
    let port = free_port();
    let mut command = Command::new("/usr/sbin/in.tftpd");
    command.args(["--foreground", "--listen", "--user", "nobody", "--address"]).arg(format!("127.0.0.1:{port}"));
    command.args(["--secure"]).args(arguments).arg(&root);
    let process = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let server = Server { process, port, root };
    // It listens once it answers anything, even if only that there is no such file.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let begun = Instant::now();
    while socket.send_to(b"\0\x01none\0octet\0", ("127.0.0.1", port)).is_err() || socket.recv(&mut [0; 600]).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in.tftpd does not answer");
    }
    server
}

/// lighttpd whose files want Digest authentication: joe, password "digest-secret".
pub fn digest(folder: &Path) -> Server {
    let (port, root) = (free_port(), root(folder));
    std::fs::write(folder.join("users"), "joe:digest-secret\n").unwrap();
    let text = format!(
        "server.modules = (\"mod_auth\", \"mod_authn_file\")\nserver.document-root = \"{}\"\nserver.port = {port}\n\
         server.bind = \"127.0.0.1\"\nauth.backend = \"plain\"\nauth.backend.plain.userfile = \"{}\"\n\
         auth.require = (\"\" => (\"method\" => \"digest\", \"realm\" => \"files\", \"require\" => \"valid-user\"))\n",
        root.display(),
        folder.join("users").display()
    );
    std::fs::write(folder.join("lighttpd.conf"), text).unwrap();
    let mut command = Command::new("/usr/sbin/lighttpd");
    command.arg("-D").arg("-f").arg(folder.join("lighttpd.conf"));
    start(command, port, root)
}

/// Where the proxy listens: the phone takes 127.0.0.1 for nobody's address.
pub const PROXY: &str = "127.0.0.2";

/// tinyproxy; what went through it stands in `root/log`.
pub fn proxy(folder: &Path) -> Server {
    let (port, root) = (testbed::ports::free_at(PROXY.parse().unwrap()).unwrap(), root(folder));
    let text = format!(
        "Port {port}\nListen {PROXY}\nTimeout 60\nAllow 127.0.0.0/8\nMaxClients 10\nLogLevel Connect\nLogFile \"{}\"\n",
        root.join("log").display()
    );
    std::fs::write(folder.join("tinyproxy.conf"), text).unwrap();
    let mut command = Command::new("/usr/bin/tinyproxy");
    command.arg("-d").arg("-c").arg(folder.join("tinyproxy.conf"));
    start_at(PROXY, command, port, root)
}

/// An authority and the certificates that it has issued, in one folder.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path) -> Authority {
        std::fs::create_dir_all(folder.join("new")).unwrap();
        std::fs::write(folder.join("index"), "").unwrap();
        std::fs::write(folder.join("serial"), "1000\n").unwrap();
        let text = "[ca]\ndefault_ca=d\n[d]\ndir=.\ndatabase=index\nnew_certs_dir=new\nserial=serial\ndefault_md=sha256\n\
                    policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n";
        std::fs::write(folder.join("ca.conf"), text).unwrap();
        let authority = Authority { folder: folder.to_owned() };
        authority.openssl(&["req", "-x509", "-subj", "/CN=Lab Root", "-days", "30", "-keyout", "root.key", "-out", "root.pem"]);
        authority
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        command.current_dir(&self.folder).args(arguments);
        if arguments[0] == "req" {
            command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Certificate and key of `host`, valid until `end` (YYYYMMDDHHMMSSZ), issued by this authority.
    pub fn issue(&self, name: &str, host: &str, end: &str) -> (PathBuf, PathBuf) {
        let (key, wish, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let san = format!("subjectAltName={host}");
        self.openssl(&["req", "-subj", "/CN=server", "-addext", &san, "-keyout", &key, "-out", &wish]);
        let dates = ["-startdate", "20200101000000Z", "-enddate", end];
        let files = ["-cert", "root.pem", "-keyfile", "root.key", "-in", &wish, "-out", &certificate];
        self.openssl(&[&["ca", "-batch", "-notext", "-config", "ca.conf"][..], &dates, &files].concat());
        (self.folder.join(certificate), self.folder.join(key))
    }

    /// A certificate that has signed itself.
    pub fn self_signed(&self) -> (PathBuf, PathBuf) {
        let san = "subjectAltName=IP:127.0.0.1";
        self.openssl(&["req", "-x509", "-subj", "/CN=server", "-addext", san, "-keyout", "self.key", "-out", "self.pem"]);
        (self.folder.join("self.pem"), self.folder.join("self.key"))
    }

    pub fn root(&self) -> String {
        std::fs::read_to_string(self.folder.join("root.pem")).unwrap()
    }
}

/// Lines for nginx that make its server speak TLS with these; `protocols` as nginx names them.
pub fn tls((certificate, key): &(PathBuf, PathBuf), protocols: &str) -> String {
    format!("ssl_certificate {}; ssl_certificate_key {}; ssl_protocols {protocols};", certificate.display(), key.display())
}
