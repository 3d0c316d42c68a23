//! Locks the process in, as far as an ordinary user can: bounds on what it may use, death with its parent, no new privileges,
//! and landlock: read-only where libcurl looks for names and certificates, nothing else of the file system, no listening TCP
//! socket, no signals and abstract sockets to others. Each step that the kernel does not know is left out and named.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

/// What libcurl, the resolver and OpenSSL read.
const READABLE: [&str; 12] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/ssl",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/run/systemd/resolve",
    "/lib",
    "/usr/lib",
    "/dev/urandom",
];

/// Locks the process in; `full`, or what could not be had.
pub fn enter() -> String {
    let mut missing = Vec::new();
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        missing.push("death with the parent".to_owned());
    }
    let limits =
        [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 64), (Resource::Cpu, 30), (Resource::As, 512 << 20)];
    for (resource, limit) in limits {
        if setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_err() {
            missing.push(format!("the limit {resource:?}"));
        }
    }
    match landlocked() {
        Ok(RulesetStatus::FullyEnforced) => {}
        Ok(RulesetStatus::PartiallyEnforced) => missing.push("a part of landlock".to_owned()),
        Ok(RulesetStatus::NotEnforced) => missing.push("landlock".to_owned()),
        Err(error) => missing.push(format!("landlock ({error})")),
    }
    if missing.is_empty() { "full".to_owned() } else { format!("without {}", missing.join(", ")) }
}

fn landlocked() -> Result<RulesetStatus, landlock::RulesetError> {
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, AccessFs::from_read(abi) & !AccessFs::Execute))?;
    Ok(ruleset.restrict_self()?.ruleset)
}
