//! What the DHCP server's options mean: where the file of pre-provisioning may lie (B27 to B29, field notes). Every byte here comes
//! from outside; what is no server and no URL is passed over.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use settings::layers::Layers;
use settings::template::{Facts, expand};

/// The options in the order in which they are tried, each with its switch: first the one that the guide knows.
const OPTIONS: [(u8, &str); 5] = [
    (66, "OPTION66_ENABLE"),
    (160, "OPTION160_ENABLE"),
    (159, "OPTION159_ENABLE"),
    (43, "OPTION43_ENABLE"),
    (150, "OPTION150_ENABLE"),
];
/// Suboptions of option 43 that may hold a server or a URL: those of the same number, and the first of most makers.
const SUBOPTIONS: [u8; 4] = [66, 160, 159, 1];
/// Longest name of a server, in bytes (B28).
const LONGEST_NAME: usize = 64;
/// Longest URL, in bytes.
const LONGEST_URL: usize = 500;
/// How many places are tried.
const MOST_PLACES: usize = 8;
/// The file in the root folder of a server (B29).
const FILE: &str = "{MODEL}.cfg";

/// Option number to its bytes.
pub type Options = BTreeMap<u8, Vec<u8>>;

/// URLs of the file, in the order in which they are to be tried; none twice.
pub fn places(options: &Options, layers: &Layers, facts: &Facts) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for (code, switch) in OPTIONS {
        let Some(bytes) = options.get(&code).filter(|_| layers.effective(switch) == Some("Y")) else { continue };
        let found = match code {
            43 => vendor_specific(bytes).into_iter().collect(),
            150 => addresses(bytes),
            _ => text(bytes).and_then(place).into_iter().collect(),
        };
        for place in found {
            let url = expand(&place, facts);
            if !places.contains(&url) && places.len() < MOST_PLACES {
                places.push(url);
            }
        }
    }
    places
}

/// Printable text without blanks; servers may end it with NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0').trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// A URL, or the name or address of a TFTP server. A URL that ends with a slash, or has no path, names a folder.
fn place(text: &str) -> Option<String> {
    let Some((_, rest)) = text.split_once("://") else {
        let is_name = text.len() <= LONGEST_NAME && !text.contains(['/', '@', '?', '#', '\\']);
        return is_name.then(|| format!("tftp://{text}/{FILE}"));
    };
    if text.len() > LONGEST_URL {
        return None;
    }
    Some(match rest {
        folder if folder.ends_with('/') => format!("{text}{FILE}"),
        host if !host.contains('/') => format!("{text}/{FILE}"),
        _ => text.to_owned(),
    })
}

/// Option 43: text as a whole, or suboptions (RFC 2132 8.4).
fn vendor_specific(bytes: &[u8]) -> Option<String> {
    match suboptions(bytes) {
        Some(suboptions) => SUBOPTIONS.iter().find_map(|code| text(suboptions.get(code)?).and_then(place)),
        None => text(bytes).and_then(place),
    }
}

/// Code, length, bytes, and again; none when the bytes are not that, from the first to the last.
fn suboptions(mut bytes: &[u8]) -> Option<BTreeMap<u8, &[u8]>> {
    let mut found = BTreeMap::new();
    while let Some((code, rest)) = bytes.split_first() {
        match code {
            // Padding, and the end (RFC 2132 3.1 and 3.2).
            0 => bytes = rest,
            255 => break,
            _ => {
                let (length, rest) = rest.split_first()?;
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                found.entry(*code).or_insert(value);
                bytes = rest;
            }
        }
    }
    Some(found)
}

/// Option 150: addresses of four bytes each. Some servers are told to send text.
fn addresses(bytes: &[u8]) -> Vec<String> {
    if let Some(text) = text(bytes).filter(|text| text.contains('.')) {
        return place(text).into_iter().collect();
    }
    let (addresses, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Vec::new();
    }
    addresses.iter().filter_map(|octets| place(&Ipv4Addr::from(*octets).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use agreements::WallTime;
    use proptest::prelude::*;
    use settings::plain;

    use super::*;

    fn facts() -> Facts {
        Facts { mac: "0080F0ABCDEF".into(), model: "KX-UT670".into(), firmware: "01.070".into() }
    }

    fn with(lines: &str, options: &[(u8, &[u8])]) -> Vec<String> {
        let text = format!("# Panasonic SIP Phone Standard Format File #\r\n{lines}\r\n");
        let mut layers = Layers::new();
        let refused = layers.set_dealer(&[plain::parse_preset(text.as_bytes(), "dealer.cfg")], WallTime::Unset);
        assert!(refused.is_empty(), "{refused:?}");
        let options = options.iter().map(|(code, bytes)| (*code, bytes.to_vec())).collect();
        places(&options, &layers, &facts())
    }

    /// B28, B29, field notes.
    #[test]
    fn option_66_is_an_address_a_name_or_a_url() {
        for (said, meant) in [
            ("192.168.0.130", "tftp://192.168.0.130/KX-UT670.cfg"),
            ("files.example.com\0", "tftp://files.example.com/KX-UT670.cfg"),
            ("http://files.example.com:8667/", "http://files.example.com:8667/KX-UT670.cfg"),
            ("https://files.example.com", "https://files.example.com/KX-UT670.cfg"),
            ("http://files.example.com/{MAC}.xml", "http://files.example.com/0080F0ABCDEF.xml"),
        ] {
            assert_eq!(with("", &[(66, said.as_bytes())]), [meant]);
        }
        let longest = "a".repeat(64);
        assert_eq!(with("", &[(66, longest.as_bytes())]).len(), 1);
        for wrong in
            ["", "\0", "two words", "a/b", "caf\u{e9}.example.com", &format!("{longest}a"), &format!("http://{}/", "a".repeat(500))]
        {
            assert_eq!(with("", &[(66, wrong.as_bytes())]), [""; 0], "{wrong:?}");
        }
    }

    #[test]
    fn the_options_have_their_order_and_each_its_switch() {
        let options: [(u8, &[u8]); 5] = [
            (43, b"\xa0\x0ehttp://vendor/\xff"),
            (66, b"10.0.0.66"),
            (150, &[10, 0, 0, 150, 10, 0, 0, 66]),
            (159, b"http://o159/"),
            (160, b"http://o160/"),
        ];
        let all = [
            "tftp://10.0.0.66/KX-UT670.cfg",
            "http://o160/KX-UT670.cfg",
            "http://o159/KX-UT670.cfg",
            "http://vendor/KX-UT670.cfg",
            "tftp://10.0.0.150/KX-UT670.cfg",
        ];
        assert_eq!(with("", &options), all);
        // B34
        for (at, (_, switch)) in OPTIONS.iter().enumerate() {
            let mut rest = all.to_vec();
            let off = rest.remove(at);
            let found = with(&format!("{switch}=\"N\""), &options);
            // The address of option 66 stands in option 150, too.
            let also_elsewhere = at == 0;
            assert_eq!(found.contains(&off.to_owned()), also_elsewhere, "{switch}");
            assert!(rest.iter().all(|place| found.iter().any(|one| one == place)), "{switch}: {found:?}");
        }
    }

    #[test]
    fn option_43_is_text_or_suboptions_and_150_addresses_or_text() {
        assert_eq!(with("", &[(43, b"http://vendor/x.cfg")]), ["http://vendor/x.cfg"]);
        assert_eq!(with("", &[(43, b"\x01\x0410.1\x42\x0210\x00")]), ["tftp://10/KX-UT670.cfg"]);
        assert_eq!(with("", &[(43, b"\x09\x0410.1")]), [""; 0], "no suboption that we know");
        assert_eq!(with("", &[(150, b"10.0.0.15")]), ["tftp://10.0.0.15/KX-UT670.cfg"]);
        assert_eq!(with("", &[(150, &[10, 0, 0])]), [""; 0]);
        assert_eq!(with("", &[(150, &[10; 4000])]).len(), 1, "one address many times");
        let many: Vec<u8> = (0..=255).flat_map(|last| [10, 0, 0, last]).collect();
        assert_eq!(with("", &[(150, &many)]).len(), MOST_PLACES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_lead_to_urls_that_can_be_asked_for(code in 0_usize..5, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for url in with("", &[(OPTIONS[code].0, &bytes)]) {
                prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()) && url.contains("://"));
            }
        }
    }
}
