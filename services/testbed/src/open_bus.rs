//! A private bus for the tests of one crate, on which everybody may do everything. What the policy of the house allows is
//! shown with the whole phone, in `lab`.

use std::io::{BufRead, BufReader, Error, Result};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use zbus::Connection;

use crate::lab;

/// A running dbus-daemon with its socket in a folder of its own; both go with the value.
pub struct OpenBus {
    daemon: Child,
    address: String,
    _folder: TempDir,
}

impl OpenBus {
    /// Returns once it listens.
    ///
    /// # Errors
    /// There is no dbus-daemon, or it does not start.
    pub fn start() -> Result<OpenBus> {
        let folder = tempfile::tempdir()?;
        let address = format!("unix:path={}", folder.path().join("bus").display());
        let configuration = folder.path().join("bus.conf");
        std::fs::write(&configuration, text(&address))?;
        let mut daemon = Command::new(lab::dbus_daemon().map_err(Error::other)?)
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()?;
        // It prints its address once it listens.
        let mut line = String::new();
        if let Some(output) = daemon.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let bus = OpenBus { daemon, address, _folder: folder };
        if line.is_empty() { Err(Error::other("dbus-daemon does not start")) } else { Ok(bus) }
    }

    /// For `DESKPHONE_BUS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Somebody on it.
    ///
    /// # Errors
    /// It has ended.
    pub async fn connect(&self) -> zbus::Result<Connection> {
        zbus::connection::Builder::address(self.address()).build().await
    }

    /// It is gone, as after a crash; every connection ends.
    pub fn end(&mut self) {
        // It may be gone already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Drop for OpenBus {
    fn drop(&mut self) {
        self.end();
    }
}

fn text(address: &str) -> String {
    format!(
        "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
         <allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
         </policy></busconfig>"
    )
}

#[cfg(test)]
mod tests {
    use super::OpenBus;

    #[tokio::test]
    async fn whoever_is_on_it_may_own_a_name_and_learns_of_its_end() {
        let mut bus = OpenBus::start().unwrap();
        let peer = bus.connect().await.unwrap();
        peer.request_name("org.deskphone.Hal1").await.unwrap();
        bus.end();
        assert!(peer.request_name("org.deskphone.Sip1").await.is_err());
        assert!(bus.connect().await.is_err());
    }
}
