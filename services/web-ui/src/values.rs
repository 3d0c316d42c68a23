//! The settings as web-ui knows them: the last snapshot with every change since, and what they say about the door.

use std::collections::BTreeMap;
use std::time::Duration;

use agreements::Secret;
use settings::catalogue;

use crate::login::{Credentials, Rules};

/// The newest values. They go on counting while provisioning-agent is away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The revision they belong to; 0 while nothing is known.
    pub revision: u64,
    /// Parameter to value, in file notation. Secrets of other services are masked.
    pub table: BTreeMap<String, String>,
    /// provisioning-agent answers: what stands here is the newest there is.
    pub available: bool,
}

impl Values {
    /// The value in effect, or the factory default.
    pub fn text(&self, name: &str) -> &str {
        match self.table.get(name) {
            Some(value) => value,
            None => catalogue::parameter(name).map_or("", |parameter| parameter.default()),
        }
    }

    /// A flag.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "Y"
    }

    /// WEB_SERVER_PORT.
    pub fn port(&self) -> u16 {
        self.text("WEB_SERVER_PORT").parse().unwrap_or(80)
    }

    /// CUSTOM_WEB_PAGE (B121).
    pub fn without_basic_network(&self) -> bool {
        self.text("CUSTOM_WEB_PAGE") == "1"
    }

    /// What the door has to know; none before the first snapshot.
    pub fn rules(&self) -> Option<Rules> {
        if self.revision == 0 && self.table.is_empty() {
            return None;
        }
        let minutes: u64 = self.text("WEB_CLOSE_TIMER").parse().unwrap_or(30);
        Some(Rules {
            administrator: self.credentials("ADMIN_ID", "ADMIN_PASS"),
            user: self.credentials("USER_ID", "USER_PASS"),
            close_after: Duration::from_secs(minutes.saturating_mul(60)),
            stays_open: self.flag("HTTPD_PORTOPEN_AUTO"),
            enabled: self.flag("EMBEDDED_WEB_ENABLE"),
        })
    }

    fn credentials(&self, id: &str, password: &str) -> Credentials {
        let factory = catalogue::parameter(password).map_or("", |parameter| parameter.default());
        let value = self.text(password);
        Credentials { id: self.text(id).to_owned(), password: Secret::new(value), factory: value == factory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B127, B128, B129: the factory's accounts and times.
    #[test]
    fn the_factory_defaults_make_the_guides_rules() {
        let values = Values { revision: 1, ..Values::default() };
        let rules = values.rules().unwrap();
        assert_eq!((rules.administrator.id.as_str(), rules.administrator.password.reveal()), ("admin", "adminpass"));
        assert_eq!((rules.user.id.as_str(), rules.user.password.is_empty()), ("user", true));
        assert!(rules.administrator.factory && rules.user.factory && !rules.stays_open);
        assert_eq!((rules.close_after, values.port()), (Duration::from_secs(30 * 60), 80));
    }

    #[test]
    fn before_the_first_snapshot_there_are_no_rules() {
        assert!(Values::default().rules().is_none());
    }

    /// C70.
    #[test]
    fn a_password_of_ones_own_is_not_the_factorys() {
        let table = BTreeMap::from([("ADMIN_PASS".to_owned(), "opensesame".to_owned())]);
        assert!(!Values { revision: 1, table, available: true }.rules().unwrap().administrator.factory);
    }
}
