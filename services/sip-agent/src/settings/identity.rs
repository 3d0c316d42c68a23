//! The rows of a line that say whose a call is (B321, B322).

use sip_stack::{AnonymousPart, IdentitySettings};

use super::Line;

impl Line<'_, '_> {
    pub(super) fn identity(&self) -> IdentitySettings {
        IdentitySettings {
            anonymous: self.flag("BLOCK_CALLER_ID_n"),
            anonymous_name: self.anonymous_part("SIP_ANM_DISPNAME_n"),
            anonymous_user: self.anonymous_part("SIP_ANM_USERNAME_n"),
            anonymous_host: self.flag("SIP_ANM_HOSTNAME_n"),
            preferred: self.flag("SIP_P_PREFERRED_ID_n"),
            privacy: self.flag("SIP_PRIVACY_n"),
        }
    }

    fn anonymous_part(&self, family: &str) -> AnonymousPart {
        match self.text(family) {
            "1" => AnonymousPart::Anonymous,
            "2" => AnonymousPart::Absent,
            _ => AnonymousPart::Usual,
        }
    }
}
