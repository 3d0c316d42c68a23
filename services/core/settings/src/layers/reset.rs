//! The four resets of the guide (3.1.1.2, 9.1, 9.2) and what each takes out of the layers. What of other services' data goes with
//! them, and that the unit restarts, is their owner's business.

use serde::{Deserialize, Serialize};

use super::Layers;
use super::plan::Plan;
use super::record::Layer;
use crate::catalogue;

/// The rows of the web accounts.
const ACCOUNTS: [&str; 4] = ["ADMIN_ID", "ADMIN_PASS", "USER_ID", "USER_PASS"];

/// How much goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reset {
    /// Reset Web Settings (B269, B270, C61): the user layer of every row with a web field, accounts included.
    WebSettings,
    /// Reset Web ID/Password, #739 (B17): the account rows fall back to the factory defaults, whatever layer set them.
    Accounts,
    /// Clear data and settings (B264): every setting, and every service's data; installed extensions stay.
    Data,
    /// Reset to factory default (B265, C67, B113): the same, and extensions that the unit did not leave the factory with.
    Factory,
}

impl Reset {
    /// All.
    pub const ALL: [Reset; 4] = [Reset::WebSettings, Reset::Accounts, Reset::Data, Reset::Factory];

    /// As on the bus: web accounts data factory.
    pub fn as_str(self) -> &'static str {
        match self {
            Reset::WebSettings => "web",
            Reset::Accounts => "accounts",
            Reset::Data => "data",
            Reset::Factory => "factory",
        }
    }

    /// The reset of this name.
    pub fn from_name(name: &str) -> Option<Reset> {
        Reset::ALL.into_iter().find(|reset| reset.as_str() == name)
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Reset::WebSettings => "Reset Web Settings",
            Reset::Accounts => "Reset Web ID/Password",
            Reset::Data => "Clear data and settings",
            Reset::Factory => "Reset to factory default",
        }
    }

    /// Whether nothing at all may be left of what was stored, in the history neither.
    pub fn erases(self) -> bool {
        matches!(self, Reset::Data | Reset::Factory)
    }

    /// Whether the unit restarts afterwards (B268, B271), a call or not. #739 asks for no restart.
    pub fn restarts(self) -> bool {
        self != Reset::Accounts
    }
}

impl Layers {
    /// Plans a reset. If a clash comes to light, the next valid layer's value applies and [`Layers::alarms`] says so.
    pub fn reset(&self, reset: Reset) -> Plan {
        let has_field = |name: &str| catalogue::parameter(name).is_some_and(|parameter| parameter.row.web.is_some());
        match reset {
            Reset::WebSettings => self.without(|name, layer| layer == Layer::User && has_field(name)),
            Reset::Accounts => self.without(|name, layer| layer.is_stored() && ACCOUNTS.contains(&name)),
            Reset::Data | Reset::Factory => {
                let mut plan = self.without(|_, layer| layer.is_stored());
                plan.next.aside.clear();
                plan
            }
        }
    }

    pub(super) fn without(&self, gone: impl Fn(&str, Layer) -> bool) -> Plan {
        let mut values = self.values.clone();
        values.retain(|(name, layer), _| !gone(name, *layer));
        self.plan_to(values)
    }
}
