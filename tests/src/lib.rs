//! What the journeys need: a network namespace for each test, the whole phone in it under phonelab, and the real programs that
//! it meets there. A journey reads as a story; how a program is configured and started stands here and in `lab/`.
//!
//! Everything waits for events, with a limit; nothing outlives its value.

pub mod authority;
pub mod citations;
pub mod dhcp_server;
pub mod far_exchange;
pub mod far_phone;
pub mod far_script;
pub mod feature_server;
pub mod file_servers;
pub mod flood;
pub mod half_open;
pub mod linphone;
pub mod lldpd;
pub mod machine;
pub mod name_server;
pub mod namespace;
pub mod phone;
pub mod process_costs;
pub mod programs;
pub mod registrar;
pub mod sound_server;
pub mod watch;
pub mod web_server;

use std::time::Duration;

/// How long anything may take that should happen at once. Long, because the machine may be slow; a test that passes never waits
/// for it.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Looks that are so far apart however long one of them takes: what is waited for, and the limit of the waiting, need their turn.
pub fn looks(apart: Duration) -> tokio::time::Interval {
    let mut looks = tokio::time::interval(apart);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    looks
}

/// Whether this process may make namespaces. Where it may not, a journey says so and is left out; in CI that is a failure.
pub fn may_make_namespaces() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "CI runs the journeys, and they need root");
    if !root {
        eprintln!("left out: this needs root");
    }
    root
}
