//! The rows of a line that change one header or one decision each.

use sip_stack::{DiversionHeader, LineDetails};

use super::Line;

impl Line<'_, '_> {
    pub(super) fn details(&self) -> LineDetails {
        LineDetails {
            source_filter: self.flag("SIP_DETECT_SSAF_n"),
            presence: self.text("SIP_PRSNC_ADDR_n").parse().ok(),
            check_to: self.flag("SIP_RCV_DET_HEADER_n"),
            contact_on_ack: self.flag("SIP_CONTACT_ON_ACK_n"),
            transport_udp: self.flag("ADD_TRANSPORT_UDP_n"),
            expires_header: self.flag("ADD_EXPIRES_HEADER_n"),
            diversion: match self.text("SIP_ADD_DIVERSION_n") {
                "0" => DiversionHeader::Absent,
                "2" => DiversionHeader::Added,
                _ => DiversionHeader::Own,
            },
            reinvite_while_held: self.flag("SIP_HOLD_HOLDRECEIVE_n"),
        }
    }
}
