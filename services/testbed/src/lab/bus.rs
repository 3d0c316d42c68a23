//! The private bus: Debian's dbus-daemon with the policy of the house.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Child;

use super::error::LabError;
use super::launch::{self, Program};
use crate::house::House;
use crate::policy::{self, Users};

/// A running bus; it dies with its value.
pub struct Bus {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Bus {
    /// Starts dbus-daemon with everything it needs in `folder`. Its socket is there when this returns, as systemd's dbus.socket
    /// makes it: whoever connects waits for the daemon in the socket's queue, and everybody starts at once.
    pub fn start(launcher: &Path, folder: &Path, house: &House, users: &Users) -> Result<Bus, LabError> {
        let socket = folder.join("bus");
        let configuration = write_configuration(folder, house, users)?;
        let program = Program {
            path: dbus_daemon()?,
            arguments: vec![
                format!("--config-file={}", configuration.display()).into(),
                "--nofork".into(),
                "--nopidfile".into(),
                "--nosyslog".into(),
            ],
            environment: Vec::new(),
            identity: None,
        };
        let log = folder.join("bus.log");
        let complaints = File::create(&log).map_err(LabError::file(&log))?;
        let listening = listen(&socket).map_err(LabError::file(&socket))?;
        let command = launch::command(launcher, &program, &[("bus", listening.as_fd())]);
        let mut command = command.map_err(LabError::system("the private bus"))?;
        command.stdout(Stdio::null()).stderr(complaints);
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn();
        let child = child.map_err(LabError::system("the private bus"))?;
        Ok(Bus { child, address: format!("unix:path={}", socket.display()), log })
    }

    /// For `DESKPHONE_BUS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Comes back only when the daemon has ended, which it should not.
    pub async fn ended(&mut self) -> LabError {
        let status = self.child.wait().await;
        let how = status.map_or_else(|error| error.to_string(), |status| format!("dbus-daemon ended ({status})"));
        let complaints = std::fs::read_to_string(&self.log).unwrap_or_default();
        LabError::Bus(format!("{how}\n{}", complaints.trim_end()).trim_end().to_owned())
    }

    /// Stops it.
    pub async fn stop(mut self) {
        // It may be gone already.
        let _ = self.child.kill().await;
    }
}

/// Who may do what on the bus is the policy's business.
fn listen(socket: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let listening = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
    Ok(listening)
}

/// Where dbus-daemon is.
pub fn dbus_daemon() -> Result<PathBuf, LabError> {
    ["/usr/bin/dbus-daemon", "/usr/local/bin/dbus-daemon", "/bin/dbus-daemon"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or(LabError::MissingPackage { program: "dbus-daemon", package: "dbus-daemon" })
}

/// Writes the device's policy files, for the image and for tests with the real init.
pub fn write_policy(folder: &Path) -> Result<(), LabError> {
    let house = House::built_in()?;
    write_policies(folder, &house, &Users::of_device(&house))
}

fn write_policies(folder: &Path, house: &House, users: &Users) -> Result<(), LabError> {
    std::fs::create_dir_all(folder).map_err(LabError::file(folder))?;
    for (name, text) in policy::files(house, users) {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(LabError::file(&path))?;
    }
    Ok(())
}

fn write_configuration(folder: &Path, house: &House, users: &Users) -> Result<PathBuf, LabError> {
    let policies = folder.join("policy.d");
    write_policies(&policies, house, users)?;
    let configuration = folder.join("bus.conf");
    let text = policy::bus_configuration(&policies.display().to_string(), users);
    std::fs::write(&configuration, text).map_err(LabError::file(&configuration))?;
    Ok(configuration)
}
