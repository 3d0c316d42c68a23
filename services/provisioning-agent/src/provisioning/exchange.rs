//! What the agent and its sandboxed child say to each other: one JSON request over stdin, one JSON reply over stdout, both
//! bounded. The reply comes from a process that has read bytes from outside and is believed in nothing: see
//! [`super::child`].

use agreements::{Diagnosis, Secret};
use serde::{Deserialize, Serialize};
use settings::file::FileOutcome;

/// The longest request, in bytes.
pub const LONGEST_REQUEST: usize = 512 << 10;
/// The longest reply, in bytes: all lines that fit into the files, escaped, with their diagnoses.
pub const LONGEST_REPLY: usize = 4 << 20;
/// Standard, product, master (B37).
pub const MOST_FILES: usize = 3;
/// The longest root certificate, as PEM.
pub const LONGEST_CERTIFICATE: usize = 64 << 10;
/// The longest ETag or date that is kept.
pub const LONGEST_VALIDATOR: usize = 200;

/// How far a server's certificate is checked (HTTP_SSL_VERIFY).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verification {
    /// Not at all.
    None,
    /// Chain and dates.
    Chain,
    /// And the server's name.
    ChainAndName,
}

/// What to fetch, and within which bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Macros replaced.
    pub user_agent: String,
    /// HTTP_VER: 1.0, or 1.1.
    pub http_1_0: bool,
    /// For https.
    pub verification: Verification,
    /// Asked for before an https file that is to be checked; none: the system's certificates count.
    pub root_certificate: Option<RootCertificate>,
    /// HTTP_AUTH_ID and HTTP_AUTH_PASS, for a server that asks where the URL has no account (C28).
    pub account: Option<HttpAccount>,
    /// Host and port of the HTTP proxy; none: no proxy.
    pub proxy: Option<String>,
    /// To connect, per server, in milliseconds.
    pub connect_timeout: u64,
    /// Per file, in milliseconds.
    pub file_timeout: u64,
    /// Lowest layer first, which is the order of asking (B50).
    pub files: Vec<Wanted>,
}

/// Name and password for HTTP authentication.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAccount {
    /// Not empty.
    pub user: String,
    /// May be empty.
    pub password: Secret,
}

impl std::fmt::Debug for HttpAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpAccount").finish_non_exhaustive()
    }
}

/// CFG_ROOT_CERTIFICATE_PATH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCertificate {
    /// Where it is.
    pub wanted: Wanted,
    /// The one that came from there last, as PEM.
    pub kept: Option<String>,
}

/// One file to fetch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// With its account, macros replaced.
    pub url: String,
    /// Without password: what diagnoses name.
    pub shown: String,
    /// What is known of the file that is in effect: the server is asked for a newer one only.
    pub known: Option<Known>,
    /// The key that the file's extension names; none for a file that is not encrypted. Beside the accounts the only secret that the
    /// child is told.
    #[serde(default)]
    pub key: Option<FileKey>,
    /// The file itself in Base64, where a person has brought it; then nobody is asked.
    #[serde(default)]
    pub content: Option<String>,
}

/// What an encrypted file is read with (B60, B63).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileKey {
    /// CFG_FILE_KEY1, 2 or 3; may be empty, which refuses the file (B61).
    pub key: String,
    /// CFG_FILE_KEY_LENGTH.
    pub length: String,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// How a server names one state of a file (RFC 9110 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// ETag, or empty.
    pub etag: String,
    /// Last-Modified, or empty.
    pub last_modified: String,
    /// Size of the file, for the limit of all files together (C47).
    pub bytes: usize,
    /// Which limit it falls under.
    pub is_xml: bool,
}

/// What the child has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// How far it could lock itself in: `full`, or what is missing.
    pub sandbox: String,
    /// A root certificate that is to be kept, as PEM.
    pub root_certificate: Option<String>,
    /// What is to be said about the root certificate.
    pub notes: Vec<Diagnosis>,
    /// One per file of the request, in its order.
    pub files: Vec<Fetched>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// How far it came.
    pub fetch: Fetch,
    /// How the server names it; none where it does not.
    pub known: Option<Known>,
    /// What is in it; of a file that was not fetched only diagnoses.
    pub outcome: FileOutcome,
}

/// How far a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fetch {
    /// It was read. It may still be rejected as a whole (C62).
    Read,
    /// It is the one that is known.
    Unchanged,
    /// The server has no such file.
    NotFound,
    /// It could not be fetched.
    Failed,
}
