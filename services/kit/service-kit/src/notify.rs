//! Tells the supervisor what state the service is in: the datagrams of sd_notify(3) to `NOTIFY_SOCKET`. Without a supervisor
//! every call does nothing. Nothing here fails loudly: a service works on when its supervisor does not listen.

use std::future::pending;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendmsg_addr,
    socket_with,
};
use tokio::time::{Interval, MissedTickBehavior};

/// The service answers: what is `After=` it may start.
pub fn ready() {
    tell("READY=1");
}

/// The service is going down on purpose.
pub fn stopping() {
    tell("STOPPING=1");
}

/// One line for `systemctl status`. Never a secret.
pub fn status(text: &str) {
    tell(&format!("STATUS={}", text.replace('\n', " ")));
}

/// The main loop turns. Called from that loop itself whenever [`Watchdog::due`] says so, never from a task of its own.
pub fn alive() {
    tell("WATCHDOG=1");
}

/// The line by which a simulated board asks its supervisor to start the whole unit again, as a reboot would. systemd does not know
/// it: there a board of its own asks the system.
pub const RESTART_UNIT: &str = "X_DESKPHONE_RESTART_UNIT=1";

/// Sends [`RESTART_UNIT`]. False: there is no supervisor that could hear it.
///
/// # Errors
/// The supervisor's socket is gone.
pub fn restart_unit() -> std::io::Result<bool> {
    send(RESTART_UNIT, &[])
}

/// When [`alive`] is due.
pub struct Watchdog(Option<Interval>);

impl Watchdog {
    /// As the supervisor wants it: twice per `WATCHDOG_USEC`, so that one late turn is forgiven; never where nobody watches.
    pub fn from_environment() -> Watchdog {
        Watchdog(period().map(|period| {
            let mut interval = tokio::time::interval(period);
            // After a stall one sign of life is as good as all those that were missed.
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Comes back each time [`alive`] is due. Fit for a select loop: a wait given up loses nothing.
    pub async fn due(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
            }
            None => pending().await,
        }
    }
}

fn period() -> Option<Duration> {
    let meant_for = std::env::var("WATCHDOG_PID").ok().and_then(|text| text.parse::<u32>().ok());
    if meant_for.is_some_and(|pid| pid != std::process::id()) {
        return None;
    }
    half_of(&std::env::var("WATCHDOG_USEC").ok()?)
}

fn half_of(microseconds: &str) -> Option<Duration> {
    let microseconds: u64 = microseconds.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds / 2).max(Duration::from_millis(1)))
}

fn tell(state: &str) {
    if let Err(error) = send(state, &[]) {
        tracing::debug!(%error, state, "the supervisor does not listen");
    }
}

/// Sends one state with descriptors. `Ok(false)`: there is no supervisor.
pub(crate) fn send(state: &str, descriptors: &[BorrowedFd<'_>]) -> std::io::Result<bool> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(false);
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(std::io::Error::from(std::io::ErrorKind::InvalidInput));
    }
    sendmsg_addr(&socket, &address, &[IoSlice::new(state.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, interval};

    use super::{Watchdog, half_of};

    #[test]
    fn the_watchdog_is_fed_twice_per_interval() {
        assert_eq!(half_of("20000000"), Some(Duration::from_secs(10)));
        assert_eq!(half_of("0"), None);
        assert_eq!(half_of("soon"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_watches_nothing_is_ever_due() {
        let mut nobody = Watchdog(None);
        assert!(tokio::time::timeout(Duration::from_secs(3_600), nobody.due()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_of_life_is_due_at_once_and_then_each_period() {
        let mut watchdog = Watchdog(Some(interval(Duration::from_secs(10))));
        let start = Instant::now();
        for seconds in [0, 10, 20] {
            watchdog.due().await;
            assert_eq!(start.elapsed(), Duration::from_secs(seconds));
        }
    }
}
