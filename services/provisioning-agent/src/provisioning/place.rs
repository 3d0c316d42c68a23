//! URLs as far as fetching needs them: which server they lead to, and the account in them. An account is sent to the server that
//! it was written down for and to no other, so both are taken apart here and not left to libcurl.

use agreements::Secret;

/// The schemes of B35.
pub const SCHEMES: [&str; 4] = ["http", "https", "ftp", "tftp"];

/// A server: what has to be the same for an account to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// In lower case.
    pub scheme: String,
    /// Host and port, in lower case; the scheme's own port is left out.
    pub authority: String,
}

/// User and password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Not empty.
    pub user: String,
    /// May be empty.
    pub password: Secret,
}

/// A URL in its parts.
pub struct Place {
    /// The server.
    pub server: Server,
    /// What stands before the `@`.
    pub account: Option<Account>,
    /// The URL without its account.
    pub bare: String,
}

/// Takes a URL apart; none when it is none of [`SCHEMES`] or names no host.
pub fn place(url: &str) -> Option<Place> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        "ftp" => ":21",
        "tftp" => ":69",
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (account, host) = match authority.rsplit_once('@') {
        Some((account, host)) => (account_of(account), host),
        None => (None, authority),
    };
    let lower = host.to_ascii_lowercase();
    let authority = lower.strip_suffix(own_port).unwrap_or(&lower).to_owned();
    if authority.is_empty() || authority.starts_with(':') {
        return None;
    }
    Some(Place { bare: format!("{scheme}://{host}{path}"), server: Server { scheme, authority }, account })
}

fn account_of(text: &str) -> Option<Account> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user = decoded(user);
    (!user.is_empty()).then(|| Account { user, password: Secret::new(decoded(password)) })
}

/// `%40` is `@` (RFC 1738 2.2). What is no escape stays; bytes that are no UTF-8 become its replacement character.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte =
            escaped.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        // B58, RFC 1738
        let place = place("HTTP://joe:p%40ss:x%2F@Host.Example:80/a@b?c").unwrap();
        let account = place.account.unwrap();
        assert_eq!((account.user.as_str(), account.password.reveal()), ("joe", "p@ss:x/"));
        assert_eq!(place.bare, "http://Host.Example:80/a@b?c");
        assert_eq!(place.server, Server { scheme: "http".into(), authority: "host.example".into() });
    }

    #[test]
    fn what_leads_to_no_server_of_ours_is_none() {
        for url in ["", "host/path", "file:///etc/passwd", "gopher://a/", "http:///path", "http://joe@/x", "ftp://:21/x"] {
            assert!(place(url).is_none(), "{url}");
        }
        assert!(place("tftp://[::1]:69/x").is_some_and(|place| place.server.authority == "[::1]" && place.account.is_none()));
    }
}
