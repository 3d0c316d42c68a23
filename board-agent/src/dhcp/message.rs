//! DHCPINFORM and its answer as bytes, by smoltcp's view of them. Options that come in parts are put together (RFC 3396); nothing
//! but the options that were asked for is looked at.

use std::collections::BTreeMap;

use smoltcp::wire::{DhcpMessageType, DhcpOpCode, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address};

use super::Asker;

/// TFTP server name, and what other makers' phones look at: a URL or server each (field notes), vendor-specific ones, and
/// addresses of TFTP servers (RFC 2132 9.4 and 8.4, RFC 5859).
pub const WANTED: [u8; 5] = [66, 160, 159, 43, 150];
/// Longest message that we take, in bytes.
pub const LONGEST: u16 = 1472;
/// Longest option that is taken, in bytes: more than any URL needs.
const LONGEST_OPTION: usize = 1024;
/// Shortest message that every server takes: that of BOOTP (RFC 1542 2.1).
const SHORTEST: usize = 300;
/// Option numbers.
const MESSAGE_TYPE: u8 = 53;
const VENDOR_CLASS: u8 = 60;
/// Servers know the family of phones by it (field notes).
const VENDOR: &[u8] = b"Panasonic";
/// RFC 2131 3.
const MAGIC: u32 = 0x6382_5363;

/// Option number to its bytes.
pub type Options = BTreeMap<u8, Vec<u8>>;

/// The question. `seconds` since the first one.
pub fn inform(asker: &Asker, transaction: u32, seconds: u16) -> Vec<u8> {
    let mac = EthernetAddress(asker.mac);
    let question = DhcpRepr {
        message_type: DhcpMessageType::Inform,
        transaction_id: transaction,
        secs: seconds,
        client_hardware_address: mac,
        client_ip: asker.address,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: Some(mac),
        server_identifier: None,
        parameter_request_list: Some(&WANTED),
        dns_servers: None,
        max_size: Some(LONGEST),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[DhcpOption { kind: VENDOR_CLASS, data: VENDOR }],
    };
    let mut bytes = vec![0; question.buffer_len().max(SHORTEST)];
    // It fits: the buffer has the length that the question says.
    let _ = question.emit(&mut DhcpPacket::new_unchecked(bytes.as_mut_slice()));
    bytes
}

/// The options of an answer to this question; none: it is something else.
pub fn options(bytes: &[u8], asker: &Asker, transaction: u32) -> Option<Options> {
    let packet = DhcpPacket::new_checked(bytes).ok()?;
    let ours = packet.opcode() == DhcpOpCode::Reply
        && packet.magic_number() == MAGIC
        && packet.transaction_id() == transaction
        && packet.client_hardware_address() == EthernetAddress(asker.mac);
    let is_ack = packet.options().any(|option| option.kind == MESSAGE_TYPE && option.data == [u8::from(DhcpMessageType::Ack)]);
    if !ours || !is_ack {
        return None;
    }
    let mut options = Options::new();
    for option in packet.options().filter(|option| WANTED.contains(&option.kind)) {
        let whole = options.entry(option.kind).or_default();
        let room = LONGEST_OPTION.saturating_sub(whole.len());
        whole.extend(option.data.iter().take(room));
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker() -> Asker {
        Asker { interface: "v0".into(), address: Ipv4Address::new(10, 77, 0, 1), mac: [0, 0x80, 0xf0, 1, 2, 3] }
    }

    /// An answer with these options, in order.
    fn answer(transaction: u32, kind: DhcpMessageType, further: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = inform(&asker(), transaction, 0);
        let mut packet = DhcpPacket::new_unchecked(bytes.as_mut_slice());
        packet.set_opcode(DhcpOpCode::Reply);
        bytes.truncate(240);
        let mut put = |code: u8, data: &[u8]| {
            bytes.extend([code, u8::try_from(data.len()).unwrap()]);
            bytes.extend(data);
        };
        put(MESSAGE_TYPE, &[kind.into()]);
        further.iter().for_each(|(code, data)| put(*code, data));
        bytes.push(255);
        bytes
    }

    /// B27: asked for what leads to files, by a phone that servers know.
    #[test]
    fn the_question_asks_for_the_options_that_lead_to_files() {
        let bytes = inform(&asker(), 7, 3);
        let packet = DhcpPacket::new_checked(bytes.as_slice()).unwrap();
        let read = DhcpRepr::parse(&packet).unwrap();
        assert_eq!((read.message_type, read.transaction_id, read.secs), (DhcpMessageType::Inform, 7, 3));
        assert_eq!((read.client_ip, read.parameter_request_list), (asker().address, Some(&WANTED[..])));
        assert!(packet.options().any(|option| option.kind == VENDOR_CLASS && option.data == VENDOR));
        assert!(bytes.len() >= SHORTEST);
    }

    #[test]
    fn options_are_taken_and_their_parts_put_together() {
        let further: [(u8, &[u8]); 4] = [(66, b"10.77."), (6, &[10, 77, 0, 9]), (66, b"0.4"), (150, &[10, 77, 0, 4])];
        let heard = options(&answer(7, DhcpMessageType::Ack, &further), &asker(), 7).unwrap();
        assert_eq!(heard, Options::from([(66, b"10.77.0.4".to_vec()), (150, vec![10, 77, 0, 4])]));
        assert_eq!(options(&answer(7, DhcpMessageType::Ack, &[]), &asker(), 7), Some(Options::new()));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_passed_over() {
        let good = answer(7, DhcpMessageType::Ack, &[(66, b"a")]);
        assert!(options(&good, &asker(), 8).is_none(), "another question");
        assert!(options(&answer(7, DhcpMessageType::Nak, &[]), &asker(), 7).is_none());
        assert!(options(&good, &Asker { mac: [0; 6], ..asker() }, 7).is_none(), "another unit");
        assert!(options(&inform(&asker(), 7, 0), &asker(), 7).is_none(), "the question itself");
        for length in 0..good.len() {
            // Cut anywhere it is no answer, or one with less in it.
            let cut = options(&good[..length], &asker(), 7).unwrap_or_default();
            assert!(cut.values().all(|value| value.len() <= 1));
        }
    }

    #[test]
    fn an_endless_option_is_cut() {
        let part = [b'a'; 255];
        let further = [(66, &part[..]); 9];
        let heard = options(&answer(7, DhcpMessageType::Ack, &further), &asker(), 7).unwrap();
        assert_eq!(heard[&66].len(), LONGEST_OPTION);
    }
}
