//! The digest of RFC 7616 and RFC 8760 (and RFC 2069, where a server offers no qop): arithmetic over strings, no policy.

use agreements::Secret;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512_256};

/// The hash functions that we answer with, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// A hash, with or without session key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Algorithm {
    pub(crate) hash: Hash,
    pub(crate) session: bool,
}

impl Algorithm {
    /// By its name in a challenge; none for one that we do not have.
    pub(crate) fn named(name: &str) -> Option<Algorithm> {
        let lower = name.to_ascii_lowercase();
        let (base, session) = lower.strip_suffix("-sess").map_or((lower.as_str(), false), |base| (base, true));
        let hash = match base {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            "sha-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Algorithm { hash, session })
    }

    fn hex(self, text: &str) -> String {
        let octets: Vec<u8> = match self.hash {
            Hash::Md5 => Md5::digest(text).to_vec(),
            Hash::Sha256 => Sha256::digest(text).to_vec(),
            Hash::Sha512_256 => Sha512_256::digest(text).to_vec(),
        };
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// What goes into one digest.
pub(crate) struct Inputs<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) user: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) password: &'a Secret,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) cnonce: &'a str,
    /// The nonce count with qop=auth; none: no qop.
    pub(crate) count: Option<u32>,
}

/// The response parameter.
pub(crate) fn response(inputs: &Inputs<'_>) -> String {
    let Inputs { algorithm, nonce, cnonce, .. } = *inputs;
    let mut a1 = algorithm.hex(&format!("{}:{}:{}", inputs.user, inputs.realm, inputs.password.reveal()));
    if algorithm.session {
        a1 = algorithm.hex(&format!("{a1}:{nonce}:{cnonce}"));
    }
    let a2 = algorithm.hex(&format!("{}:{}", inputs.method, inputs.uri));
    match inputs.count {
        Some(count) => algorithm.hex(&format!("{a1}:{nonce}:{count:08x}:{cnonce}:auth:{a2}")),
        None => algorithm.hex(&format!("{a1}:{nonce}:{a2}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mufasa(algorithm: &str) -> String {
        response(&Inputs {
            algorithm: Algorithm::named(algorithm).unwrap(),
            user: "Mufasa",
            realm: "http-auth@example.org",
            password: &Secret::new("Circle of Life"),
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            count: Some(1),
        })
    }

    /// RFC 7616 3.9.1.
    #[test]
    fn the_examples_of_rfc_7616() {
        assert_eq!(mufasa("MD5"), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(mufasa("SHA-256"), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    /// The example of RFC 7616 3.9.1 with the other algorithms, as another implementation of the hashes (OpenSSL) has it: the RFC
    /// has no example of -sess, and that of SHA-512-256 in its 3.9.2 was made with SHA-512 cut short, which is another function.
    #[test]
    fn the_other_algorithms_have_known_answers() {
        assert_eq!(mufasa("SHA-512-256"), "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0");
        assert_eq!(mufasa("MD5-sess"), "e783283f46242139c486a698fec7211d");
        assert_eq!(mufasa("SHA-256-sess"), "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7");
        assert_eq!(mufasa("SHA-512-256-sess"), "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e");
    }

    /// The example of the hash function itself (FIPS 180-4, SHA-512/256 of "abc").
    #[test]
    fn sha_512_256_is_the_function_of_fips_180_4() {
        let abc = Algorithm { hash: Hash::Sha512_256, session: false }.hex("abc");
        assert_eq!(abc, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
    }

    /// RFC 2069 style, without qop: the published erratum's value for the example of RFC 2069 2.4.
    #[test]
    fn without_qop_the_old_form_is_used() {
        let digest = response(&Inputs {
            algorithm: Algorithm::named("md5").unwrap(),
            user: "Mufasa",
            realm: "testrealm@host.com",
            password: &Secret::new("CircleOfLife"),
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: "",
            count: None,
        });
        assert_eq!(digest, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn algorithms_are_known_without_case_and_others_are_not() {
        assert_eq!(Algorithm::named("sha-256-SESS"), Some(Algorithm { hash: Hash::Sha256, session: true }));
        assert_eq!(Algorithm::named("SHA-512-256"), Some(Algorithm { hash: Hash::Sha512_256, session: false }));
        assert_eq!(Algorithm::named("AKAv1-MD5"), None);
    }
}
