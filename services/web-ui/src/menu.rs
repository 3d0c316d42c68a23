//! Tabs and menu items in the guide's order (4.1), and who sees which. What stands on a settings screen comes from the catalogue;
//! here is only its place in the menu.

use settings::Parameter;
use settings::catalogue;
use settings::row::Access;

use crate::login::Account;

/// How many lines a screen per line has.
pub const LINES: u8 = catalogue::LINES;

/// A top category.
pub struct Tab {
    /// As in the catalogue.
    pub title: &'static str,
    /// First part of the path.
    pub slug: &'static str,
    /// Menu items.
    pub screens: &'static [Screen],
}

/// A menu item.
pub struct Screen {
    /// As in the catalogue; one per line ends in `[Line n]`.
    pub title: &'static str,
    /// Second part of the path.
    pub slug: &'static str,
    /// What it shows.
    pub kind: ScreenKind,
}

/// What a screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenKind {
    /// 4.3.1
    Version,
    /// 4.3.2
    Network,
    /// 4.3.3
    Voip,
    /// 4.5.2, 4.5.3: whose password.
    Password(Account),
    /// 2.4.5: for an administrator alone.
    Import,
    /// Fields of the catalogue.
    Settings,
}

const fn settings(title: &'static str, slug: &'static str) -> Screen {
    Screen { title, slug, kind: ScreenKind::Settings }
}

/// Every tab.
pub static TABS: &[Tab] = &[
    Tab {
        title: "Status",
        slug: "status",
        screens: &[
            Screen { title: "Version Information", slug: "version-information", kind: ScreenKind::Version },
            Screen { title: "Network Status", slug: "network-status", kind: ScreenKind::Network },
            Screen { title: "VoIP Status", slug: "voip-status", kind: ScreenKind::Voip },
        ],
    },
    Tab {
        title: "Network",
        slug: "network",
        screens: &[
            settings(BASIC_NETWORK, "basic-network-settings"),
            settings("Ethernet Port Settings", "ethernet-port-settings"),
            settings("HTTP Client Settings", "http-client-settings"),
            settings("Global Address Detection", "global-address-detection"),
            settings("Static NAPT Settings", "static-napt-settings"),
        ],
    },
    Tab {
        title: "System",
        slug: "system",
        screens: &[
            settings("Web Language", "web-language"),
            Screen {
                title: "Administrator Password",
                slug: "administrator-password",
                kind: ScreenKind::Password(Account::Administrator),
            },
            Screen { title: "Change User Password", slug: "change-user-password", kind: ScreenKind::Password(Account::User) },
            settings("Web Server Settings", "web-server-settings"),
        ],
    },
    Tab {
        title: "VoIP",
        slug: "voip",
        screens: &[
            settings("SIP Settings", "sip-settings"),
            settings("SIP Settings [Line n]", "sip-settings-line"),
            settings("VoIP Settings", "voip-settings"),
            settings("VoIP Settings [Line n]", "voip-settings-line"),
        ],
    },
    Tab {
        title: "Telephone",
        slug: "telephone",
        screens: &[
            settings("Call Control", "call-control"),
            settings("Call Control [Line n]", "call-control-line"),
            settings("Tone Settings", "tone-settings"),
            settings("Telephone Settings", "telephone-settings"),
        ],
    },
    Tab {
        title: "Maintenance",
        slug: "maintenance",
        screens: &[
            settings("Firmware Maintenance", "firmware-maintenance"),
            settings("Provisioning Maintenance", "provisioning-maintenance"),
            Screen { title: "Import Configuration File", slug: "import-configuration-file", kind: ScreenKind::Import },
        ],
    },
];

/// The one screen that the dealer may take from the User account (B121, C45).
const BASIC_NETWORK: &str = "Basic Network Settings";

/// One screen at one place in the menu.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its tab.
    pub tab: &'static Tab,
    /// The menu item.
    pub screen: &'static Screen,
    /// 1 to 6 on a screen per line, else 0.
    pub line: u8,
}

/// Who looks, and what the dealer allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onlooker {
    /// As whom.
    pub account: Account,
    /// CUSTOM_WEB_PAGE=1 (B121).
    pub without_basic_network: bool,
}

impl Screen {
    /// Whether there is one per line.
    pub fn per_line(&self) -> bool {
        self.title.ends_with("[Line n]")
    }

    fn is_for(&self, tab: &Tab, onlooker: Onlooker) -> bool {
        match self.kind {
            ScreenKind::Version | ScreenKind::Network | ScreenKind::Voip => true,
            ScreenKind::Password(whose) => onlooker.account >= whose,
            ScreenKind::Import => onlooker.account == Account::Administrator,
            ScreenKind::Settings => {
                let taken = onlooker.without_basic_network && onlooker.account == Account::User && self.title == BASIC_NETWORK;
                !taken && fields(tab.title, self.title, u8::from(self.per_line()), onlooker.account).next().is_some()
            }
        }
    }
}

impl Tab {
    /// The items that this onlooker sees.
    pub fn screens_for(&'static self, onlooker: Onlooker) -> impl Iterator<Item = &'static Screen> {
        self.screens.iter().filter(move |screen| screen.is_for(self, onlooker))
    }
}

impl Place {
    /// The screen at this path, if the onlooker may see it. `line` is the third part of the path.
    pub fn find(tab: &str, screen: &str, line: Option<&str>, onlooker: Onlooker) -> Option<Place> {
        let tab = TABS.iter().find(|known| known.slug == tab)?;
        let screen = tab.screens_for(onlooker).find(|known| known.slug == screen)?;
        let line = match (screen.per_line(), line) {
            (true, Some(line)) => line.parse().ok().filter(|line| (1..=LINES).contains(line))?,
            (false, None) => 0,
            (true, None) | (false, Some(_)) => return None,
        };
        Some(Place { tab, screen, line })
    }

    /// The first screen of a tab (B139).
    pub fn first_of(tab: &'static Tab, onlooker: Onlooker) -> Option<Place> {
        let screen = tab.screens_for(onlooker).next()?;
        Some(Place { tab, screen, line: u8::from(screen.per_line()) })
    }

    /// Where an account's password is changed.
    pub fn password_of(account: Account) -> Option<Place> {
        let find = |tab: &'static Tab| {
            let screen = tab.screens.iter().find(|screen| screen.kind == ScreenKind::Password(account))?;
            Some(Place { tab, screen, line: 0 })
        };
        TABS.iter().find_map(find)
    }

    /// Its path.
    pub fn path(&self) -> String {
        match self.line {
            0 => format!("/{}/{}", self.tab.slug, self.screen.slug),
            line => format!("/{}/{}/{line}", self.tab.slug, self.screen.slug),
        }
    }

    /// Its title for people: the line's number put in.
    pub fn title(&self) -> String {
        self.screen.title.replace("[Line n]", &format!("[Line {}]", self.line))
    }

    /// The parameters on it that this account may see.
    pub fn parameters(&self, account: Account) -> Vec<Parameter> {
        fields(self.tab.title, self.screen.title, self.line, account).collect()
    }
}

fn fields(tab: &str, screen: &str, line: u8, account: Account) -> impl Iterator<Item = Parameter> {
    let seen = move |parameter: &Parameter| match parameter.row.web.map(|web| web.access) {
        Some(Access::User) => true,
        Some(Access::Administrator) => account == Account::Administrator,
        None => false,
    };
    catalogue::screen(tab, screen, line).into_iter().filter(seen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn onlooker(account: Account) -> Onlooker {
        Onlooker { account, without_basic_network: false }
    }

    /// B138.
    #[test]
    fn an_administrator_sees_six_tabs_and_a_user_four() {
        let tabs = |account: Account| -> Vec<&str> {
            let seen = TABS.iter().filter(|tab| tab.screens_for(onlooker(account)).next().is_some());
            seen.map(|tab| tab.title).collect()
        };
        assert_eq!(tabs(Account::Administrator), ["Status", "Network", "System", "VoIP", "Telephone", "Maintenance"]);
        assert_eq!(tabs(Account::User), ["Status", "Network", "System", "Telephone"]);
    }

    /// Every web field of the catalogue has its place in the menu; a screen that nobody can reach would be lost.
    #[test]
    fn every_screen_of_the_catalogue_is_in_the_menu() {
        let known: BTreeSet<(&str, &str)> =
            TABS.iter().flat_map(|tab| tab.screens.iter().map(move |screen| (tab.title, screen.title))).collect();
        for web in catalogue::ROWS.iter().filter_map(|row| row.web) {
            assert!(known.contains(&(web.tab, web.screen)), "{} / {}", web.tab, web.screen);
        }
    }

    /// Guide 4.1: access levels.
    #[test]
    fn a_user_sees_of_call_control_only_what_is_theirs() {
        let place = Place::find("telephone", "call-control-line", Some("2"), onlooker(Account::User)).unwrap();
        let names: Vec<&str> = place.parameters(Account::User).iter().map(|parameter| parameter.name).collect();
        assert!(names.contains(&"DISPLAY_NAME_2") && !names.contains(&"VM_NUMBER_2") && !names.contains(&"DISPLAY_NAME_1"));
        assert!(Place::find("voip", "sip-settings-line", Some("1"), onlooker(Account::User)).is_none());
        assert!(Place::find("system", "administrator-password", None, onlooker(Account::User)).is_none());
    }

    /// B121, C45.
    #[test]
    fn the_dealer_may_take_basic_network_settings_from_the_user() {
        let taken = |account| Onlooker { account, without_basic_network: true };
        assert!(Place::find("network", "basic-network-settings", None, taken(Account::User)).is_none());
        assert!(Place::find("network", "basic-network-settings", None, taken(Account::Administrator)).is_some());
        assert!(Place::find("network", "basic-network-settings", None, onlooker(Account::User)).is_some());
    }

    #[test]
    fn only_the_six_lines_have_screens() {
        let admin = onlooker(Account::Administrator);
        for (line, found) in
            [(Some("1"), true), (Some("6"), true), (Some("7"), false), (Some("0"), false), (Some("x"), false), (None, false)]
        {
            assert_eq!(Place::find("voip", "sip-settings-line", line, admin).is_some(), found, "{line:?}");
        }
        assert!(Place::find("voip", "sip-settings", Some("1"), admin).is_none());
    }
}
