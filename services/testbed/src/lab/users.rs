//! Who the services are: as root each has its own uid, so that the bus policy and the peer table are put to the proof; an
//! ordinary user runs them all. It must not touch the system's user database: names exist in a private copy that only the
//! lab's own processes see.

use std::collections::BTreeMap;
use std::path::Path;

use crate::house::House;
use crate::policy;

/// Uid and gid of the first service; the others follow by rank. No user database gives them to anybody.
const FIRST_UID: u32 = 61_001;
/// Gid of the admin group where the system has no such group.
const ADMIN_GID: u32 = 61_000;

/// One service's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Whether the services are kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each has its own uid.
    PerService {
        /// Service to credentials.
        identities: BTreeMap<String, Identity>,
        /// Gid of the admin group.
        admin_gid: u32,
    },
    /// All run as the user who started the lab.
    Off {
        /// Why.
        reason: String,
        /// That user.
        user: String,
    },
}

impl Isolation {
    /// One uid per service, with groups as the system knows them.
    pub fn per_service(house: &House) -> Isolation {
        let groups = read("/etc/group");
        let identities = house
            .services()
            .into_iter()
            .zip(FIRST_UID..)
            .map(|((name, row), uid)| {
                let more = row.groups.iter().filter_map(|group| number_of(&groups, group)).collect();
                (name.to_owned(), Identity { uid, gid: uid, groups: more })
            })
            .collect();
        Isolation::PerService { identities, admin_gid: number_of(&groups, house.admin_group()).unwrap_or(ADMIN_GID) }
    }

    /// Everything as the current user.
    pub fn off(reason: impl Into<String>) -> Isolation {
        let uid = rustix::process::geteuid().as_raw();
        Isolation::Off { reason: reason.into(), user: name_of(&read("/etc/passwd"), uid).unwrap_or_else(|| uid.to_string()) }
    }

    /// A service's credentials; none: those of the supervisor.
    pub fn identity(&self, service: &str) -> Option<&Identity> {
        match self {
            Isolation::PerService { identities, .. } => identities.get(service),
            Isolation::Off { .. } => None,
        }
    }

    /// The users for the bus policy.
    pub fn policy_users(&self, house: &House) -> policy::Users {
        match self {
            Isolation::PerService { .. } => policy::Users::of_device(house),
            Isolation::Off { user, .. } => policy::Users {
                of_service: house.services().iter().map(|(name, _)| (name.to_string(), user.clone())).collect(),
                admin_group: None,
                admin_user: (user != "root").then(|| user.clone()),
            },
        }
    }

    /// `DESKPHONE_USERS`: the peer table.
    pub fn peer_table(&self, house: &House) -> String {
        let own = rustix::process::geteuid().as_raw();
        let uid = |name: &str| self.identity(name).map_or(own, |identity| identity.uid);
        let rows: Vec<_> = house.services().iter().map(|(name, _)| format!("{name}={}", uid(name))).collect();
        rows.join(",")
    }
}

/// Copies of passwd and group in which the service users and the admin group exist, written into `folder`. For bind mounts over
/// the real ones in a private mount namespace: dbus-daemon takes only names that the user database knows.
pub fn write_databases(house: &House, isolation: &Isolation, folder: &Path) -> std::io::Result<()> {
    let Isolation::PerService { identities, admin_gid } = isolation else { return Ok(()) };
    let mut users: Vec<(String, String)> = Vec::new();
    let mut groups = vec![(house.admin_group().to_owned(), format!("{}:x:{admin_gid}:", house.admin_group()))];
    for (name, row) in house.services() {
        let Some(identity) = identities.get(name) else { continue };
        let (user, uid, gid) = (&row.user, identity.uid, identity.gid);
        users.push((user.clone(), format!("{user}:x:{uid}:{gid}:{name} in the lab:/nonexistent:/usr/sbin/nologin")));
        groups.push((user.clone(), format!("{user}:x:{gid}:")));
    }
    std::fs::write(folder.join("passwd"), with(&read("/etc/passwd"), &users))?;
    std::fs::write(folder.join("group"), with(&read("/etc/group"), &groups))
}

/// Whether the kernel knows the services' uids here: a container may map but a few.
pub fn are_mapped() -> bool {
    let last = FIRST_UID + 100;
    read("/proc/self/uid_map").lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        matches!(numbers.as_slice(), [inside, _, count] if *inside <= ADMIN_GID.into() && inside + count > last.into())
    })
}

fn with(database: &str, additions: &[(String, String)]) -> String {
    let kept = database.lines().filter(|line| !additions.iter().any(|(name, _)| line.split(':').next() == Some(name)));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    text.extend(additions.iter().map(|(_, line)| format!("{line}\n")));
    text
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn number_of(database: &str, name: &str) -> Option<u32> {
    let line = database.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

fn name_of(database: &str, number: u32) -> Option<String> {
    let number = number.to_string();
    let line = database.lines().find(|line| line.split(':').nth(2) == Some(&number))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_uid_and_its_row_in_the_peer_table() {
        let house = House::built_in().unwrap();
        let isolation = Isolation::per_service(&house);
        assert_eq!(
            isolation.peer_table(&house),
            "provisioning-agent=61001,hal-agent=61002,media-engine=61003,sip-agent=61004,web-ui=61005"
        );
        assert_eq!(isolation.identity("sip-agent").unwrap().gid, 61_004);
    }

    #[test]
    fn without_isolation_one_user_is_everybody_and_administrator() {
        let house = House::built_in().unwrap();
        let isolation = Isolation::Off { reason: "test".to_owned(), user: "dev".to_owned() };
        let users = isolation.policy_users(&house);
        assert!(users.of_service.values().all(|user| user == "dev"));
        assert_eq!(users.admin_user.as_deref(), Some("dev"));
    }

    #[test]
    fn a_name_that_the_system_knows_already_is_replaced_in_the_copy() {
        let text = with("root:x:0:0::/:\ndeskphone-sip:x:990:990::/:\n", &[("deskphone-sip".to_owned(), "new".to_owned())]);
        assert_eq!(text, "root:x:0:0::/:\nnew\n");
    }
}
