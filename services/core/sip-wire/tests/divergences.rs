//! Mutated messages of the corpus and of this file, read by us and by rsip 0.4: every difference is one of the named ones.
//!
//! A longer run: `PROPTEST_CASES=1000000 cargo test -p sip-wire --test divergences`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "rsip's parsers are the oracle here, and the corpus is files; the product may not use either"
)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

#[path = "support/oracle.rs"]
mod oracle;

use std::collections::BTreeSet;
use std::path::Path;

use oracle::{Divergence, compare, only_they_read};
use proptest::prelude::*;
use sip_wire::{Defect, HeaderError, HeaderName, Syntax};

/// A plain message, which both read alike.
const PLAIN: &str = "INVITE sip:200@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
    From: <sip:100@example.com>;tag=f1\r\nTo: <sip:200@example.com>\r\nCall-ID: plain@192.0.2.1\r\nCSeq: 3 INVITE\r\n\
    Contact: <sip:100@192.0.2.1:5060>\r\nContent-Length: 4\r\n\r\nbody";
const ANSWER: &str = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nFrom: <sip:100@example.com>;tag=f1\r\n\
    To: <sip:200@example.com>;tag=t1\r\nCall-ID: plain@192.0.2.1\r\nCSeq: 3 INVITE\r\nContact: <sip:200@192.0.2.2>\r\nContent-Length: 0\r\n\r\n";

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn checked(octets: &[u8]) -> Vec<Divergence> {
    compare(octets).unwrap_or_else(|unknown| panic!("{unknown}\n{}", String::from_utf8_lossy(octets)))
}

#[test]
fn plain_messages_show_no_difference() {
    for plain in [PLAIN, ANSWER] {
        assert_eq!(checked(plain.as_bytes()), []);
    }
}

/// A name that no message shows any more is a difference that rsip has mended.
#[test]
fn each_named_difference_is_shown_by_a_message() {
    let swap = |from: &str, to: &str| PLAIN.replace(from, to).into_bytes();
    let cases = [
        (Divergence::FoldedLine, swap("Max-Forwards: 70", "Subject: a\r\n b")),
        (Divergence::BlankBeforeColon, swap("Max-Forwards:", "Max-Forwards :")),
        (Divergence::BareLineFeed, swap("\r\n", "\n")),
        (Divergence::LeadingLineEnd, format!("\r\n{PLAIN}").into_bytes()),
        (Divergence::ForeignMethod, swap("INVITE", "NEWMETHOD")),
        (Divergence::UnusualUri, swap("sip:200@example.com SIP", "sip:200@[2001:db8::7] SIP")),
        (
            Divergence::ForeignOctets,
            [b"INVITE sip:200@example.com SIP/2.0\r\nX: \xe9".as_slice(), &PLAIN.as_bytes()[34..]].concat(),
        ),
        (Divergence::NoHeader, swap("Max-Forwards: 70", "nothing of the kind")),
        (Divergence::UnusualStatusLine, ANSWER.replace("180 Ringing", "180").into_bytes()),
        (Divergence::LazyHeaders, swap("Call-ID: plain@192.0.2.1\r\n", "")),
        (Divergence::CutShort, swap("Content-Length: 4", "Content-Length: 5")),
        (Divergence::CarelessStartLine, swap("sip:200@example.com SIP", "sip:2%zz@example.com SIP")),
        (Divergence::Unbounded, swap("plain@", &"plain@".repeat(4_000))),
        (Divergence::RewrittenUri, swap("sip:200@example.com SIP", "sip:200@example.com;transport=udp SIP")),
        (Divergence::BodyBeyondLength, swap("Content-Length: 4", "Content-Length: 3")),
        (Divergence::KeptBlanks, swap("CSeq: 3 INVITE", "CSeq: 3 INVITE ")),
        (Divergence::OtherHeaderFound, swap("From:", "F:")),
        (Divergence::MisreadView, swap("tag=f1", "x=\"1;2\";tag=f1")),
    ];
    for (divergence, octets) in cases {
        let shown = checked(&octets);
        assert!(shown.contains(&divergence), "{divergence:?} is not in {shown:?}");
    }
}

/// A parser that refused what is plain would not hide behind its own words.
#[test]
fn a_refusal_that_nothing_bears_out_is_no_named_difference() {
    let names = ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"].map(HeaderName::from);
    let malformed = |name: &HeaderName| HeaderError::Malformed { name: name.clone(), what: Syntax("strange") };
    let of_headers =
        names.iter().flat_map(|name| [malformed(name), HeaderError::Repeated(name.clone()), HeaderError::TooMany(name.clone())]);
    let missing = names.iter().filter(|name| name.as_str() != "Max-Forwards").map(|name| HeaderError::Missing(name.clone()));
    let of_headers: Vec<Defect> = of_headers.chain(missing).map(Defect::Header).collect();
    let others = [Defect::KeepAlive, Defect::NotSip, Defect::TooLarge("message"), Defect::Version, Defect::Truncated];
    let more = [Defect::StartLine(Syntax("strange")), Defect::RequestUri(Syntax("strange")), Defect::ContentLength];
    for defect in of_headers.iter().chain(&others).chain(&more) {
        for plain in [PLAIN, ANSWER] {
            assert!(only_they_read(plain.as_bytes(), defect).is_err(), "{defect}");
        }
    }
    assert!(only_they_read(PLAIN.as_bytes(), &Defect::CSeqMethod).is_err());
    let other = PLAIN.replace("3 INVITE", "3 BYE");
    assert_eq!(only_they_read(other.as_bytes(), &Defect::CSeqMethod), Ok(Divergence::LazyHeaders));
}

#[test]
fn messages_of_the_corpora_show_named_differences_alone() {
    let seen: BTreeSet<Divergence> =
        ["message", "divergence"].into_iter().flat_map(corpus).flat_map(|octets| checked(&octets)).collect();
    assert!(seen.len() >= 8, "{seen:?}");
}

/// One change of a message: an octet, a stretch twice or not at all, or a stretch of another message.
fn change(octets: &mut Vec<u8>, other: &[u8], (kind, place, length, octet): (u8, prop::sample::Index, usize, u8)) {
    if octets.is_empty() {
        return;
    }
    let from = place.index(octets.len());
    let to = (from + length).min(octets.len());
    match kind % 5 {
        0 => octets[from] = octet,
        1 => octets.insert(from, octet),
        2 => drop(octets.drain(from..to)),
        3 => drop(octets.splice(from..from, octets[from..to].to_vec())),
        _ => drop(octets.splice(from..to, other.iter().skip(from).take(length).copied())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_show_named_differences_alone(
        which in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(
            (any::<u8>(), any::<prop::sample::Index>(), 0..40usize,
             prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n \t:;,<>\"\\=@[]%?/&*0aZ".to_vec())]), 1..5),
    ) {
        let mut sources = corpus("message");
        sources.extend([PLAIN, ANSWER].map(|plain| plain.as_bytes().to_vec()));
        // Half of all cases are plain but for the changes: there a difference is told best.
        let mut octets = if changes.len() % 2 == 0 { PLAIN.as_bytes().to_vec() } else { sources[which.index(sources.len())].clone() };
        let other = &sources[other.index(sources.len())];
        changes.into_iter().for_each(|one| change(&mut octets, other, one));
        if let Err(unknown) = compare(&octets) {
            prop_assert!(false, "{}\n{}", unknown, String::from_utf8_lossy(&octets));
        }
    }
}
