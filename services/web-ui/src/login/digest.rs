//! HTTP Digest of RFC 7616 as a server: the challenge, the client's answer, and whether it proves the password.
//!
//! MD5 and SHA-256, qop "auth" only; "-sess", user hashes and integrity protection are refused. No kept library does the server
//! side, so this is our own. It must not decide what a right or wrong answer leads to: that is the door's business.

use agreements::Secret;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Longest Authorization header that is read, in bytes.
const LONGEST_HEADER: usize = 2048;
/// Most parameters in one; RFC 7616 knows twelve.
const MOST_PARAMETERS: usize = 20;

/// The hash that a client has chosen from those offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// For browsers of the guide's time.
    Md5,
    /// For everybody else.
    Sha256,
}

impl Algorithm {
    /// In the order of preference, as RFC 7616 3.7 wants challenges to be listed.
    pub const OFFERED: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// As it stands in the headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn named(name: &str) -> Option<Algorithm> {
        Algorithm::OFFERED.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Length of a hash in hexadecimal digits.
    fn digits(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// Why an Authorization header is not an answer to our challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Another scheme, Basic for example.
    #[error("the scheme is not Digest")]
    NotDigest,
    /// Not of the form of RFC 7616 3.4.
    #[error("{0}")]
    Malformed(&'static str),
    /// A variant that was not offered.
    #[error("{0} was not offered")]
    NotOffered(&'static str),
}

/// What a client has sent. The texts are as they came; nothing is proven yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The account's name.
    pub username: String,
    /// As in the challenge.
    pub realm: String,
    /// As in the challenge.
    pub nonce: String,
    /// The target of the request that this was made for.
    pub uri: String,
    /// How many requests the client has made with this nonce.
    pub count: u32,
    /// As in the challenge; empty when the client left it out.
    pub opaque: String,
    algorithm: Algorithm,
    count_text: String,
    cnonce: String,
    response: String,
}

impl Authorization {
    /// Reads an Authorization header.
    ///
    /// # Errors
    /// It is no Digest answer, or a variant that was not offered.
    pub fn parse(header: &str) -> Result<Authorization, DigestError> {
        if header.len() > LONGEST_HEADER {
            return Err(DigestError::Malformed("the header is too long"));
        }
        let (scheme, rest) = header.trim().split_once(' ').ok_or(DigestError::NotDigest)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::NotDigest);
        }
        Authorization::from_parameters(&parameters(rest)?)
    }

    /// Whether the answer proves this password for a request with this method. The time it takes does not depend on how much
    /// of it is right.
    pub fn proves(&self, method: &str, password: &Secret) -> bool {
        let hash = |parts: &[&str]| self.algorithm.hash(parts);
        let a1 = hash(&[&self.username, &self.realm, password.reveal()]);
        let a2 = hash(&[method, &self.uri]);
        let expected = hash(&[&a1, &self.nonce, &self.count_text, &self.cnonce, "auth", &a2]);
        expected.as_bytes().ct_eq(self.response.as_bytes()).into()
    }

    fn from_parameters(parameters: &[(String, String)]) -> Result<Authorization, DigestError> {
        let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let need = |name: &'static str| find(name).ok_or(DigestError::Malformed("a required parameter is missing"));
        if find("qop").as_deref() != Some("auth") {
            return Err(DigestError::NotOffered("this quality of protection"));
        }
        if find("userhash").is_some_and(|userhash| userhash.eq_ignore_ascii_case("true")) || find("username*").is_some() {
            return Err(DigestError::NotOffered("a hashed or extended user name"));
        }
        let algorithm = Algorithm::named(find("algorithm").as_deref().unwrap_or("MD5"));
        let algorithm = algorithm.ok_or(DigestError::NotOffered("this algorithm"))?;
        let count_text = need("nc")?;
        let response = need("response")?.to_ascii_lowercase();
        if response.len() != algorithm.digits() {
            return Err(DigestError::Malformed("the response has a wrong length"));
        }
        Ok(Authorization {
            username: need("username")?,
            realm: need("realm")?,
            nonce: need("nonce")?,
            uri: need("uri")?,
            count: count(&count_text)?,
            opaque: find("opaque").unwrap_or_default(),
            algorithm,
            count_text,
            cnonce: need("cnonce")?,
            response,
        })
    }
}

/// One WWW-Authenticate header per offered algorithm. `stale`: the answer was right but the nonce is used up; the client
/// answers again without asking the person.
pub fn challenges(realm: &str, nonce: &str, opaque: &str, stale: bool) -> Vec<String> {
    let stale = if stale { ", stale=true" } else { "" };
    let one = |algorithm: Algorithm| {
        let algorithm = algorithm.as_str();
        format!("Digest realm=\"{realm}\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\", opaque=\"{opaque}\"{stale}")
    };
    Algorithm::OFFERED.into_iter().map(one).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn count(text: &str) -> Result<u32, DigestError> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let count = u32::from_str_radix(text, 16).ok().filter(|count| digits && *count > 0);
    count.ok_or(DigestError::Malformed("nc is not a count of eight hexadecimal digits"))
}

/// `name=value` and `name="value"` with commas between (RFC 9110 11.2). A name may occur once.
fn parameters(text: &str) -> Result<Vec<(String, String)>, DigestError> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(DigestError::Malformed("a parameter has no value"))?;
        let name = name.trim().to_ascii_lowercase();
        let (value, after) = value(after.trim_start_matches([' ', '\t']))?;
        if found.len() == MOST_PARAMETERS || found.iter().any(|(known, _)| *known == name) {
            return Err(DigestError::Malformed("a parameter occurs twice, or there are too many"));
        }
        found.push((name, value));
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return Err(DigestError::Malformed("a comma is missing between parameters"));
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Ok(found)
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Result<(String, &str), DigestError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Ok((text.get(..end).unwrap_or_default().to_owned(), text.get(end..).unwrap_or_default()));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((value, quoted.get(position + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            plain => value.push(plain),
        }
    }
    Err(DigestError::Malformed("a quoted value does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 3.9.1, with the password that stands there.
    fn example(algorithm: &str, response: &str) -> String {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    /// RFC 7616 3.9.1.
    #[test]
    fn the_examples_of_the_rfc_prove_their_password() {
        let examples = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in examples {
            let answer = Authorization::parse(&example(algorithm, response)).unwrap();
            assert!(answer.proves("GET", &Secret::new("Circle of Life")), "{algorithm}");
            assert!(!answer.proves("POST", &Secret::new("Circle of Life")), "{algorithm}: other method");
            assert!(!answer.proves("GET", &Secret::new("circle of life")), "{algorithm}: case counts");
            assert_eq!((answer.username.as_str(), answer.count), ("Mufasa", 1));
        }
    }

    /// RFC 7616 3.4: what was not offered is refused before anything is computed.
    #[test]
    fn variants_that_were_not_offered_are_refused() {
        let good = example("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        let refused = [
            good.replace("qop=auth", "qop=auth-int"),
            good.replace("qop=auth, ", ""),
            good.replace("algorithm=MD5", "algorithm=MD5-sess"),
            good.replace("algorithm=MD5", "userhash=true"),
        ];
        for header in refused {
            assert!(matches!(Authorization::parse(&header), Err(DigestError::NotOffered(_))), "{header}");
        }
        assert_eq!(Authorization::parse("Basic YWRtaW46YWRtaW5wYXNz"), Err(DigestError::NotDigest));
    }

    #[test]
    fn malformed_answers_are_refused() {
        let good = example("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        let malformed = [
            good.replace("nc=00000001", "nc=1"),
            good.replace("nc=00000001", "nc=00000000"),
            good.replace("nc=00000001", "nc=0000000g"),
            good.replace("username=\"Mufasa\", ", ""),
            good.replace("8ca523", "8ca52"),
            good.replace("qop=auth", "qop=auth, qop=auth"),
            good.replace("qop=auth,", "qop=auth"),
            good.replace("tdS\"", "tdS"),
            format!("{good}, x=\"{}\"", "y".repeat(LONGEST_HEADER)),
            format!("{good}, nonsense"),
        ];
        for header in malformed {
            assert!(matches!(Authorization::parse(&header), Err(DigestError::Malformed(_))), "{header}");
        }
    }

    /// RFC 9110 5.6.4: escapes inside quoted strings; blanks around the equals sign (11.2).
    #[test]
    fn quoted_values_may_hold_escapes_and_commas() {
        let found = parameters(" username = \"a\\\"b,c\" ,, nc=00000001").unwrap();
        assert_eq!(found, [("username".to_owned(), "a\"b,c".to_owned()), ("nc".to_owned(), "00000001".to_owned())]);
    }

    #[test]
    fn both_algorithms_are_offered_the_stronger_first() {
        let offered = challenges("Deskphone", "n", "o", true);
        assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"));
        assert!(offered.iter().all(|challenge| challenge.ends_with(", stale=true") && challenge.contains("qop=\"auth\"")));
        assert!(!challenges("Deskphone", "n", "o", false)[0].contains("stale"));
    }

    proptest::proptest! {
        /// Whatever a stranger sends is read or refused, and never proves a password that was not used.
        #[test]
        fn nothing_from_outside_breaks_the_reading(header in ".*", parameters in "[a-z*]{0,8}(=\"?[ -~]{0,12}\"?,? ?){0,8}") {
            for text in [header.clone(), format!("Digest {header}"), format!("Digest {parameters}")] {
                if let Ok(answer) = Authorization::parse(&text) {
                    proptest::prop_assert!(!answer.proves("GET", &Secret::new("never used")));
                }
            }
        }

        /// Every parameter that is written is read back as it was.
        #[test]
        fn quoted_values_read_back(value in "[ -~]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let found = parameters(&format!("a=\"{quoted}\", b=token"));
            proptest::prop_assert_eq!(found, Ok(vec![("a".to_owned(), value), ("b".to_owned(), "token".to_owned())]));
        }
    }
}
