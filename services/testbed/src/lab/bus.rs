//! The private bus: Debian's dbus-daemon with the policy of the house.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use super::error::LabError;
use super::launch::{self, Program};
use crate::house::House;
use crate::policy::{self, Users};

/// A running bus; it dies with its value.
pub struct Bus {
    child: Child,
    address: String,
}

impl Bus {
    /// Starts dbus-daemon with everything it needs in `folder`, and waits until it listens.
    pub async fn start(launcher: &Path, folder: &Path, house: &House, users: &Users) -> Result<Bus, LabError> {
        let socket = folder.join("bus");
        let configuration = write_configuration(folder, &socket, house, users)?;
        let program = Program {
            path: dbus_daemon()?,
            arguments: vec![
                format!("--config-file={}", configuration.display()).into(),
                "--nofork".into(),
                "--nopidfile".into(),
                "--nosyslog".into(),
                "--print-address=1".into(),
            ],
            environment: Vec::new(),
            identity: None,
        };
        let log = folder.join("bus.log");
        let complaints = File::create(&log).map_err(LabError::file(&log))?;
        let mut command = launch::command(launcher, &program, &[]).map_err(LabError::system("the private bus"))?;
        command.stdout(Stdio::piped()).stderr(complaints);
        let mut child =
            tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(LabError::system("the private bus"))?;
        if !has_said_its_address(&mut child).await {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(LabError::Bus(format!("dbus-daemon does not start:\n{}", text.trim_end())));
        }
        Ok(Bus { child, address: format!("unix:path={}", socket.display()) })
    }

    /// For `DESKPHONE_BUS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Comes back only when the daemon has ended, which it should not.
    pub async fn ended(&mut self) -> LabError {
        let status = self.child.wait().await;
        LabError::Bus(status.map_or_else(|error| error.to_string(), |status| format!("dbus-daemon ended ({status})")))
    }

    /// Stops it.
    pub async fn stop(mut self) {
        // It may be gone already.
        let _ = self.child.kill().await;
    }
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

fn write_configuration(folder: &Path, socket: &Path, house: &House, users: &Users) -> Result<PathBuf, LabError> {
    let policies = folder.join("policy.d");
    write_policies(&policies, house, users)?;
    let configuration = folder.join("bus.conf");
    let text = policy::bus_configuration(&socket.display().to_string(), &policies.display().to_string(), users);
    std::fs::write(&configuration, text).map_err(LabError::file(&configuration))?;
    Ok(configuration)
}

async fn has_said_its_address(child: &mut Child) -> bool {
    let Some(output) = child.stdout.take() else { return false };
    let mut line = String::new();
    matches!(BufReader::new(output).read_line(&mut line).await, Ok(1..))
}
