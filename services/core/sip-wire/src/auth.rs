//! Challenges and credentials (RFC 3261 section 20.7, 20.27, 20.28, 20.44; RFC 8760 for SHA-256). Grammar only: whoever answers a
//! challenge computes the digest.

use std::fmt;
use std::str::FromStr;

use crate::cursor::{Cursor, is_blank};
use crate::params::{Param, Params};
use crate::text::is_token_char;
use crate::{Syntax, limits};

/// One challenge of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `Digest` or another.
    pub scheme: String,
    /// Its parameters.
    pub params: Params,
}

/// The answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `Digest` or another.
    pub scheme: String,
    /// Its parameters.
    pub params: Params,
}

impl Challenge {
    /// A Digest challenge of a realm and a nonce; more by `params`.
    pub fn digest(realm: &str, nonce: &str) -> Challenge {
        let mut params = Params::new();
        params.set_quoted("realm", realm);
        params.set_quoted("nonce", nonce);
        Challenge { scheme: "Digest".to_owned(), params }
    }
    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }
    /// The realm.
    pub fn realm(&self) -> Option<&str> {
        self.params.get("realm")
    }
    /// The nonce.
    pub fn nonce(&self) -> Option<&str> {
        self.params.get("nonce")
    }
    /// To be sent back as it is.
    pub fn opaque(&self) -> Option<&str> {
        self.params.get("opaque")
    }
    /// The last nonce was too old, the credentials were right.
    pub fn is_stale(&self) -> bool {
        self.params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
    /// MD5, SHA-256 or another; MD5 where nothing is said.
    pub fn algorithm(&self) -> &str {
        self.params.get("algorithm").unwrap_or("MD5")
    }
    /// The qualities of protection on offer; empty: the server speaks RFC 2069.
    pub fn qop(&self) -> impl Iterator<Item = &str> {
        self.params.get("qop").unwrap_or_default().split(',').map(|qop| qop.trim_matches(is_blank)).filter(|qop| !qop.is_empty())
    }
    /// Whether that quality is on offer.
    pub fn offers_qop(&self, quality: &str) -> bool {
        self.qop().any(|offered| offered.eq_ignore_ascii_case(quality))
    }
    /// Reads one or, against the letter of RFC 3261 section 7.3.1, several on one line.
    pub(crate) fn parse_list(value: &str, out: &mut Vec<Challenge>) -> Result<(), Syntax> {
        let mut cursor = Cursor::new(value);
        loop {
            cursor.skip_blanks();
            if cursor.is_empty() {
                return Ok(());
            }
            if out.len() >= limits::LIST {
                return Err(Syntax("too many challenges"));
            }
            let (scheme, params) = read(&mut cursor)?;
            out.push(Challenge { scheme, params });
        }
    }
}

impl Credentials {
    /// Without parameters.
    pub fn new(scheme: &str) -> Credentials {
        Credentials { scheme: scheme.to_owned(), params: Params::new() }
    }
    /// Digest credentials. Values in quotes where RFC 3261 section 25.1 wants them; algorithm, qop and nc without.
    pub fn digest(username: &str, realm: &str, nonce: &str, uri: &str, response: &str) -> Credentials {
        let mut credentials = Credentials::new("Digest");
        for (name, value) in [("username", username), ("realm", realm), ("nonce", nonce), ("uri", uri), ("response", response)] {
            credentials.params.set_quoted(name, value);
        }
        credentials
    }
    /// With the algorithm.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: &str) -> Credentials {
        self.params.set("algorithm", algorithm);
        self
    }
    /// With a quality of protection, the client's nonce and the count of requests with this nonce.
    #[must_use]
    pub fn with_qop(mut self, quality: &str, cnonce: &str, count: u32) -> Credentials {
        self.params.set("qop", quality);
        self.params.set_quoted("cnonce", cnonce);
        self.params.set("nc", format_args!("{count:08x}"));
        self
    }
    /// With the server's opaque.
    #[must_use]
    pub fn with_opaque(mut self, opaque: &str) -> Credentials {
        self.params.set_quoted("opaque", opaque);
        self
    }
    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }
    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }
    /// MD5, SHA-256 or another; MD5 where nothing is said.
    pub fn algorithm(&self) -> &str {
        self.params.get("algorithm").unwrap_or("MD5")
    }
}

/// The nonce that Authentication-Info names for the next credentials: `nextnonce="n2", qop=auth`.
pub(crate) fn next_nonce(value: &str) -> Result<Option<String>, Syntax> {
    // A challenge without its scheme.
    let mut cursor = Cursor::new(value);
    let params = params(&mut cursor)?;
    if !cursor.is_empty() {
        return Err(Syntax("text after the parameters"));
    }
    Ok(params.get("nextnonce").map(str::to_owned))
}

/// `scheme a=b, c="d"` up to the end or to the next scheme.
fn read(cursor: &mut Cursor<'_>) -> Result<(String, Params), Syntax> {
    let scheme = cursor.take_while(is_token_char).to_owned();
    if scheme.is_empty() {
        return Err(Syntax("no authentication scheme"));
    }
    Ok((scheme, params(cursor)?))
}

fn params(cursor: &mut Cursor<'_>) -> Result<Params, Syntax> {
    let mut params = Params::new();
    loop {
        cursor.skip_blanks();
        while cursor.eat(',') {
            cursor.skip_blanks();
        }
        if cursor.is_empty() || starts_scheme(cursor) {
            return Ok(params);
        }
        params.push(Param::read(cursor)?)?;
        cursor.skip_blanks();
        if !(cursor.is_empty() || cursor.peek() == Some(',')) {
            return Err(Syntax("text after a parameter"));
        }
    }
}

/// A token, a blank and no `=`: the next challenge begins.
fn starts_scheme(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    let token = ahead.take_while(is_token_char);
    let blank = ahead.peek().is_some_and(is_blank);
    ahead.skip_blanks();
    !token.is_empty() && blank && ahead.peek() != Some('=')
}

fn write(scheme: &str, params: &Params, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(scheme)?;
    for (at, param) in params.iter().enumerate() {
        f.write_str(if at == 0 { " " } else { ", " })?;
        write!(f, "{param}")?;
    }
    Ok(())
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(&self.scheme, &self.params, f)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(&self.scheme, &self.params, f)
    }
}

impl FromStr for Credentials {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Credentials, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let (scheme, params) = read(&mut cursor)?;
        if cursor.is_empty() { Ok(Credentials { scheme, params }) } else { Err(Syntax("several credentials on one line")) }
    }
}
