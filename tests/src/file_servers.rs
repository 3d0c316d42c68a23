//! vsftpd and tftpd-hpa at [`FILES`]: each serves a folder of its own, and ends with its value.

use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::namespace::{FILES, Namespace};

/// User and password of the FTP server.
pub const FTP_ACCOUNT: (&str, &str) = ("ftp", "ftp-secret");

/// A running server.
pub struct FileServer {
    child: Child,
    folder: tempfile::TempDir,
}

impl FileServer {
    /// vsftpd with [`FTP_ACCOUNT`]. Its one account is what it calls anonymous, with a list of passwords.
    pub fn ftp(namespace: &Namespace) -> FileServer {
        let folder = folder();
        let (root, passwords) = (folder.path().join("files"), folder.path().join("passwords"));
        std::fs::write(&passwords, format!("{}\n", FTP_ACCOUNT.1)).expect("its passwords");
        let text = format!(
            "listen=YES\nlisten_address={FILES}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nftp_username=daemon\n\
             anon_root={root}\nsecure_email_list_enable=YES\nemail_password_file={}\nseccomp_sandbox=NO\nisolate=NO\n\
             isolate_network=NO\nxferlog_enable=NO\nsecure_chroot_dir={root}\n",
            passwords.display(),
            root = root.display(),
        );
        let configuration = folder.path().join("vsftpd.conf");
        std::fs::write(&configuration, text).expect("its configuration");
        let mut command = namespace.command("/usr/sbin/vsftpd");
        let server = FileServer { child: started(command.arg(configuration)), folder };
        assert!(namespace.inside(|| within_limit(|| TcpStream::connect((FILES, 21)).is_ok())), "vsftpd does not listen");
        server
    }

    /// tftpd-hpa.
    pub fn tftp(namespace: &Namespace) -> FileServer {
        let folder = folder();
        let mut command = namespace.command("/usr/sbin/in.tftpd");
        command.args(["--foreground", "--listen", "--user", "nobody", "--secure", "--address", &format!("{FILES}:69")]);
        let server = FileServer { child: started(command.arg(folder.path().join("files"))), folder };
        assert!(namespace.inside(answers_tftp), "in.tftpd does not answer");
        server
    }

    /// Puts a file there.
    pub fn put(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("files").join(name), text).expect("a served file");
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With a folder `files` that an unprivileged server can read.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let files = folder.path().join("files");
    std::fs::create_dir(&files).expect("the served folder");
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its rights");
    open(folder.path());
    open(&files);
    folder
}

fn started(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server")
}

/// It listens once it says anything, even if only that there is no such file.
fn answers_tftp() -> bool {
    let socket = UdpSocket::bind((FILES, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("its time-out");
    within_limit(|| socket.send_to(b"\0\x01none\0octet\0", (FILES, 69)).is_ok() && socket.recv(&mut [0; 600]).is_ok())
}

fn within_limit(ready: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if ready() {
            return true;
        }
        // Refused at once while nobody listens: let it get on.
        std::thread::yield_now();
    }
    false
}
