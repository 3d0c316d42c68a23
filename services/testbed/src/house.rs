//! The table of the house (`proto/house.toml`), read for the lab and for the policy generator. It says who serves what and who
//! calls whom; it must not decide anything.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole table.
#[derive(Clone, Debug, Deserialize)]
pub struct House {
    service: BTreeMap<String, Service>,
    admin: Admin,
}

/// Who may act as administrator.
#[derive(Clone, Debug, Deserialize)]
struct Admin {
    group: String,
}

/// One service.
#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    /// No handler of a request awaits a call to the same or a higher rank.
    pub rank: u8,
    /// Its user on the device.
    pub user: String,
    /// Further groups of its user.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The bus names that it alone may own.
    pub bus_names: Vec<String>,
    /// The gRPC service that it serves.
    #[serde(default)]
    pub grpc: Option<String>,
    /// Whose facts it reads on the bus.
    pub reads_facts_of: Vec<String>,
    /// What it calls: bus names, and the gRPC services Settings and Media.
    pub calls: Vec<String>,
}

/// The table cannot be read: a defect of the build.
#[derive(Debug, thiserror::Error)]
#[error("house.toml: {0}")]
pub struct HouseTableError(#[from] toml::de::Error);

impl House {
    /// The table that was built in.
    pub fn built_in() -> Result<House, HouseTableError> {
        House::parse(phone_proto::HOUSE)
    }

    /// From the text of a table.
    pub fn parse(text: &str) -> Result<House, HouseTableError> {
        Ok(toml::from_str(text)?)
    }

    /// Name and row of each service, by rank and then by name.
    pub fn services(&self) -> Vec<(&str, &Service)> {
        let mut services: Vec<_> = self.service.iter().map(|(name, row)| (name.as_str(), row)).collect();
        services.sort_by_key(|(name, row)| (row.rank, *name));
        services
    }

    /// One service's row.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.service.get(name)
    }

    /// The group whose members act as administrator.
    pub fn admin_group(&self) -> &str {
        &self.admin.group
    }
}

#[cfg(test)]
mod tests {
    use super::House;

    #[test]
    fn the_built_in_table_lists_the_services_by_rank() {
        let house = House::built_in().unwrap();
        let names: Vec<_> = house.services().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["provisioning-agent", "hal-agent", "media-engine", "sip-agent", "web-ui"]);
        assert_eq!(house.admin_group(), "deskphone-admin");
    }
}
