//! Who is who: the table of the house with the uid of each service, and who counts as administrator. It reads the environment
//! and the system's user database once; it must not be asked for anything that changes while the phone runs.

use std::collections::BTreeMap;

use phone_proto::errors::{ErrorKind, HouseError};
use serde::Deserialize;

#[derive(Deserialize)]
struct House {
    service: BTreeMap<String, HouseService>,
    admin: HouseAdmin,
}

#[derive(Deserialize)]
struct HouseService {
    user: String,
    #[serde(default)]
    grpc_clients: Vec<String>,
}

#[derive(Deserialize)]
struct HouseAdmin {
    group: String,
}

/// The uid of every service, who may call whom, and the administrators' group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTable {
    services: BTreeMap<String, u32>,
    /// Server to its gRPC clients.
    clients: BTreeMap<String, Vec<String>>,
    admin_group: Option<u32>,
    admin_members: Vec<u32>,
    own_uid: u32,
}

impl PeerTable {
    /// From `DESKPHONE_USERS` and `DESKPHONE_ADMIN_GROUP`; what they leave out is looked up by the names of house.toml in
    /// `/etc/passwd` and `/etc/group` (static users: systemd-sysusers writes them there).
    pub fn from_environment() -> PeerTable {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let users = variable("DESKPHONE_USERS");
        let group = variable("DESKPHONE_ADMIN_GROUP");
        let databases = Databases { passwd: read("/etc/passwd"), group: read("/etc/group") };
        PeerTable::from_parts(users.as_deref(), group.as_deref(), &databases, rustix::process::getuid().as_raw())
    }

    fn from_parts(users: Option<&str>, group: Option<&str>, databases: &Databases, own_uid: u32) -> PeerTable {
        let house: Option<House> = toml::from_str(phone_proto::HOUSE).ok();
        let services = match users {
            Some(users) => users.split(',').filter_map(pair).collect(),
            None => house
                .iter()
                .flat_map(|house| &house.service)
                .filter_map(|(service, entry)| Some((service.clone(), databases.uid(&entry.user)?)))
                .collect(),
        };
        let clients = house.iter().flat_map(|house| &house.service);
        let clients = clients.map(|(service, entry)| (service.clone(), entry.grpc_clients.clone())).collect();
        let group = group.map(str::to_owned).or_else(|| house.map(|house| house.admin.group)).unwrap_or_default();
        let admin_group = group.parse().ok().or_else(|| databases.gid(&group));
        PeerTable { services, clients, admin_group, admin_members: databases.members(&group), own_uid }
    }

    /// Whether every service runs as its own user. When not, a peer's own word is taken ("isolation off").
    pub fn isolated(&self) -> bool {
        let mut uids: Vec<u32> = self.services.values().copied().collect();
        uids.sort_unstable();
        uids.dedup();
        uids.len() == self.services.len() && uids.len() > 1
    }

    /// The uid of a service.
    pub fn uid_of(&self, service: &str) -> Option<u32> {
        self.services.get(service).copied()
    }

    /// Which service a peer is: by its uid; where several share that uid, the one it claims to be. None: a stranger, or one
    /// that claims to be somebody else.
    pub fn service_of(&self, uid: u32, claimed: &str) -> Option<&str> {
        let mut of_uid = self.services.iter().filter(|(_, known)| **known == uid).map(|(service, _)| service.as_str());
        let first = of_uid.next()?;
        if of_uid.next().is_none() {
            return (claimed.is_empty() || claimed == first).then_some(first);
        }
        self.services.get_key_value(claimed).filter(|(_, known)| **known == uid).map(|(service, _)| service.as_str())
    }

    /// Whether house.toml lists `client` among the gRPC clients of `server`.
    pub fn may_call(&self, client: &str, server: &str) -> bool {
        self.clients.get(server).is_some_and(|clients| clients.iter().any(|known| known == client))
    }

    /// Whether this user acts as administrator: root, a member of the administrators' group, and, where isolation is off, the
    /// user who runs everything. `groups`: of the process, as far as they are known.
    pub fn is_admin(&self, uid: u32, groups: &[u32]) -> bool {
        uid == 0
            || self.admin_group.is_some_and(|group| groups.contains(&group))
            || self.admin_members.contains(&uid)
            || (!self.isolated() && uid == self.own_uid)
    }
}

/// `sip-agent=61001`
fn pair(text: &str) -> Option<(String, u32)> {
    let (service, uid) = text.trim().split_once('=')?;
    Some((service.to_owned(), uid.parse().ok()?))
}

struct Databases {
    passwd: String,
    group: String,
}

impl Databases {
    fn uid(&self, user: &str) -> Option<u32> {
        entry(&self.passwd, user)?.get(2)?.parse().ok()
    }
    fn gid(&self, group: &str) -> Option<u32> {
        entry(&self.group, group)?.get(2)?.parse().ok()
    }
    fn members(&self, group: &str) -> Vec<u32> {
        let members = entry(&self.group, group).and_then(|fields| fields.get(3).copied()).unwrap_or_default();
        members.split(',').filter_map(|user| self.uid(user)).collect()
    }
}

fn entry<'a>(database: &'a str, name: &str) -> Option<Vec<&'a str>> {
    database.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

/// What a stranger is told.
pub fn access_denied(what: &str) -> HouseError {
    HouseError::new(ErrorKind::AccessDenied, format!("{what} is for administrators: root or a member of the phone's admin group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases() -> Databases {
        Databases {
            passwd: "root:x:0:0::/root:/bin/sh\ndeskphone-sip:x:981:981::/:/bin/false\ndeskphone-web:x:980:980::/:\nanna:x:1000:1000::/:".into(),
            group: "deskphone-admin:x:970:anna,nobody-there\n".into(),
        }
    }

    #[test]
    fn a_peer_is_known_by_its_uid_and_may_not_claim_to_be_another() {
        let table = PeerTable::from_parts(Some("sip-agent=61001,web-ui=61002"), None, &databases(), 5);
        assert!(table.isolated());
        assert_eq!(table.service_of(61001, "sip-agent"), Some("sip-agent"));
        assert_eq!(table.service_of(61001, ""), Some("sip-agent"));
        assert_eq!(table.service_of(61001, "web-ui"), None);
        assert_eq!(table.service_of(0, "sip-agent"), None);
    }

    #[test]
    fn only_the_clients_of_the_house_may_call() {
        let table = PeerTable::from_parts(None, None, &databases(), 5);
        assert!(table.may_call("sip-agent", "media-engine") && table.may_call("web-ui", "provisioning-agent"));
        assert!(!table.may_call("web-ui", "media-engine") && !table.may_call("provisioning-agent", "provisioning-agent"));
    }

    #[test]
    fn where_one_user_runs_everything_a_peers_word_is_taken() {
        let table = PeerTable::from_parts(Some("sip-agent=1000,web-ui=1000"), None, &databases(), 1000);
        assert!(!table.isolated());
        assert_eq!(table.service_of(1000, "web-ui"), Some("web-ui"));
        assert_eq!(table.service_of(1000, "nobody"), None);
        assert_eq!(table.service_of(1001, "web-ui"), None);
        assert!(table.is_admin(1000, &[]) && !table.is_admin(1001, &[]));
    }

    #[test]
    fn without_a_table_in_the_environment_the_systems_users_count() {
        let table = PeerTable::from_parts(None, None, &databases(), 5);
        assert_eq!((table.uid_of("sip-agent"), table.uid_of("web-ui"), table.uid_of("hal-agent")), (Some(981), Some(980), None));
        assert_eq!(table.service_of(981, ""), Some("sip-agent"));
    }

    #[test]
    fn administrators_are_root_and_the_members_of_the_group() {
        let table = PeerTable::from_parts(None, None, &databases(), 981);
        assert!(table.is_admin(0, &[]) && table.is_admin(1000, &[]) && table.is_admin(7, &[7, 970]));
        assert!(!table.is_admin(7, &[7]) && !table.is_admin(981, &[981]));
        let numbered = PeerTable::from_parts(None, Some("44"), &databases(), 981);
        assert!(numbered.is_admin(7, &[44]));
    }
}
