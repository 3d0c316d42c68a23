//! Encrypted configuration files, made and read by the real openssl program (C8; B59 to B65).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and runs a program"
)]

use std::process::Command;

use agreements::Secret;
use settings::container::{self, Derivation, KeyLength, Slot, Unreadable};

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";
const FILE: &[u8] = b"# Panasonic SIP Phone Standard Format File #\r\nDISPLAY_NAME_1=\"Zo\xc3\xab\"\r\n";
const LENGTHS: [(KeyLength, &str); 3] = [(KeyLength::Bits128, "128"), (KeyLength::Bits192, "192"), (KeyLength::Bits256, "256")];
const DERIVATIONS: [(Derivation, &[&str]); 3] =
    [(Derivation::Sha256, &["-md", "sha256"]), (Derivation::Md5, &["-md", "md5"]), (Derivation::Pbkdf2, &["-pbkdf2"])];

fn key(text: &str) -> Secret {
    Secret::new(text)
}

/// What `openssl enc` makes of these bytes.
fn openssl(arguments: &[&str], bits: &str, input: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&from, input).unwrap();
    let output = Command::new("openssl")
        .args(["enc", &format!("-aes-{bits}-cbc"), "-salt", "-pass", &format!("pass:{KEY}"), "-in"])
        .arg(&from)
        .arg("-out")
        .arg(&to)
        .args(arguments)
        .output()
        .expect("openssl is in the package openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&to).unwrap()
}

/// C8, B63: every key length and derivation, made there and read here; the derivation is found out.
#[test]
fn what_openssl_makes_is_read() {
    for (length, bits) in LENGTHS {
        assert_eq!(KeyLength::of(bits), Some(length));
        for (_, arguments) in DERIVATIONS {
            let made = openssl(arguments, bits, FILE);
            assert_eq!(container::decrypt(&made, &key(KEY), length).as_deref(), Ok(FILE), "{bits} {arguments:?}");
        }
    }
}

/// C8: and the other way.
#[test]
fn what_is_made_is_read_by_openssl() {
    for (length, bits) in LENGTHS {
        for (derivation, arguments) in DERIVATIONS {
            let made = container::encrypt(FILE, &key(KEY), length, derivation, *b"saltsalt");
            let back = openssl(&[arguments, &["-d"]].concat(), bits, &made);
            assert_eq!(back, FILE, "{bits} {derivation:?}");
        }
    }
}

#[test]
fn every_size_survives() {
    for size in [0, 1, 15, 16, 17, 4096, 120 * 1024] {
        let content = vec![b'x'; size];
        let made = container::encrypt(&content, &key(KEY), KeyLength::Bits128, Derivation::Sha256, [7; 8]);
        assert!(made.len() > content.len() && made.len() <= content.len() + 32);
        assert_eq!(container::decrypt(&made, &key(KEY), KeyLength::Bits128), Ok(content));
    }
}

/// A wrong key, a wrong length, a changed or cut file: an error that says which, never a text.
#[test]
fn what_does_not_fit_is_refused_by_name() {
    let made = container::encrypt(FILE, &key(KEY), KeyLength::Bits128, Derivation::Sha256, [7; 8]);
    let wrong = |key: &Secret, length| container::decrypt(&made, key, length);
    assert_eq!(wrong(&key(KEY), KeyLength::Bits192), Err(Unreadable::WrongKey));
    assert_eq!(wrong(&key(KEY), KeyLength::Bits256), Err(Unreadable::WrongKey));
    // All but the first leave a right padding, with MD5 or with SHA-256.
    for at in [0, 49, 95, 342, 618] {
        assert_eq!(wrong(&key(&format!("{at:032}")), KeyLength::Bits128), Err(Unreadable::WrongKey));
    }
    for cut in [made.len() - 1, made.len() - 15, 20, 16, 15, 9, 8] {
        assert_eq!(container::decrypt(&made[..cut], &key(KEY), KeyLength::Bits128), Err(Unreadable::Truncated), "{cut}");
    }
    assert_eq!(container::decrypt(&made[..made.len() - 16], &key(KEY), KeyLength::Bits128), Err(Unreadable::WrongKey));
    for bytes in [FILE, b"", b"Salted"] {
        assert_eq!(container::decrypt(bytes, &key(KEY), KeyLength::Bits128), Err(Unreadable::NotEncrypted));
    }
}

/// B59, B60: the extension alone, of a path as of a URL.
#[test]
fn the_extension_says_which_key() {
    for (name, slot) in [
        ("phone.e1c", Some(Slot::One)),
        ("http://host/a/Config.e2c", Some(Slot::Two)),
        ("https://host/x.e3c?unit=1#part", Some(Slot::Three)),
        ("http://host/phone.cfg?x=.e1c", None),
        ("phone.cfg", None),
        ("phone.e4c", None),
    ] {
        assert_eq!(Slot::of(name), slot, "{name}");
    }
    assert_eq!(Slot::ALL.map(Slot::parameter), ["CFG_FILE_KEY1", "CFG_FILE_KEY2", "CFG_FILE_KEY3"]);
}
