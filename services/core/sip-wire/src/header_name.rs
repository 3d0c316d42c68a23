//! Header names, compared without case, with their compact forms (RFC 3261 section 7.3.3 and the extensions').

use std::fmt;

use serde::{Deserialize, Serialize};

/// A header's name. Known ones are written in their usual spelling, others as they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum HeaderName {
    /// One of the table in this file.
    Known(Known),
    /// Any other.
    Other(Box<str>),
}

macro_rules! names {
    ($($constant:ident = $variant:ident $spelling:literal $($compact:literal)?),* $(,)?) => {
        /// The names that this crate knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is the name it is")]
        pub enum Known { $($variant),* }

        impl HeaderName {
            $(#[doc = $spelling] pub const $constant: HeaderName = HeaderName::Known(Known::$variant);)*
        }

        impl Known {
            fn spelling(self) -> &'static str {
                match self { $(Known::$variant => $spelling),* }
            }
        }

        fn known(name: &str) -> Option<Known> {
            if name.len() == 1 {
                let compact = name.to_ascii_lowercase();
                $($(if compact == $compact { return Some(Known::$variant); })?)*
                return None;
            }
            let length = name.len();
            $(if $spelling.len() == length && name.eq_ignore_ascii_case($spelling) { return Some(Known::$variant); })*
            None
        }
    };
}

names! {
    VIA = Via "Via" "v",
    FROM = From "From" "f",
    TO = To "To" "t",
    CALL_ID = CallId "Call-ID" "i",
    CSEQ = CSeq "CSeq",
    CONTACT = Contact "Contact" "m",
    MAX_FORWARDS = MaxForwards "Max-Forwards",
    CONTENT_LENGTH = ContentLength "Content-Length" "l",
    CONTENT_TYPE = ContentType "Content-Type" "c",
    ROUTE = Route "Route",
    RECORD_ROUTE = RecordRoute "Record-Route",
    EXPIRES = Expires "Expires",
    AUTHORIZATION = Authorization "Authorization",
    PROXY_AUTHORIZATION = ProxyAuthorization "Proxy-Authorization",
    WWW_AUTHENTICATE = WwwAuthenticate "WWW-Authenticate",
    PROXY_AUTHENTICATE = ProxyAuthenticate "Proxy-Authenticate",
    AUTHENTICATION_INFO = AuthenticationInfo "Authentication-Info",
    ALLOW = Allow "Allow",
    SUPPORTED = Supported "Supported" "k",
    REQUIRE = Require "Require",
    PROXY_REQUIRE = ProxyRequire "Proxy-Require",
    UNSUPPORTED = Unsupported "Unsupported",
    USER_AGENT = UserAgent "User-Agent",
    SERVER = Server "Server",
    DATE = Date "Date",
    MIN_EXPIRES = MinExpires "Min-Expires",
    RETRY_AFTER = RetryAfter "Retry-After",
    EVENT = Event "Event" "o",
    ALLOW_EVENTS = AllowEvents "Allow-Events" "u",
    SUBSCRIPTION_STATE = SubscriptionState "Subscription-State",
    REASON = Reason "Reason",
    WARNING = Warning "Warning",
    SUBJECT = Subject "Subject" "s",
    ACCEPT = Accept "Accept",
    ACCEPT_ENCODING = AcceptEncoding "Accept-Encoding",
    ACCEPT_LANGUAGE = AcceptLanguage "Accept-Language",
    ALERT_INFO = AlertInfo "Alert-Info",
    CALL_INFO = CallInfo "Call-Info",
    CONTENT_DISPOSITION = ContentDisposition "Content-Disposition",
    CONTENT_ENCODING = ContentEncoding "Content-Encoding" "e",
    CONTENT_LANGUAGE = ContentLanguage "Content-Language",
    ERROR_INFO = ErrorInfo "Error-Info",
    IN_REPLY_TO = InReplyTo "In-Reply-To",
    MIME_VERSION = MimeVersion "MIME-Version",
    ORGANIZATION = Organization "Organization",
    PRIORITY = Priority "Priority",
    REPLY_TO = ReplyTo "Reply-To",
    TIMESTAMP = Timestamp "Timestamp",
    REFER_TO = ReferTo "Refer-To" "r",
    REFERRED_BY = ReferredBy "Referred-By" "b",
    REPLACES = Replaces "Replaces",
    JOIN = Join "Join",
    SESSION_EXPIRES = SessionExpires "Session-Expires" "x",
    MIN_SE = MinSe "Min-SE",
    RACK = RAck "RAck",
    RSEQ = RSeq "RSeq",
    PATH = Path "Path",
    SERVICE_ROUTE = ServiceRoute "Service-Route",
    P_ASSERTED_IDENTITY = PAssertedIdentity "P-Asserted-Identity",
    P_PREFERRED_IDENTITY = PPreferredIdentity "P-Preferred-Identity",
    P_CALLED_PARTY_ID = PCalledPartyId "P-Called-Party-ID",
    PRIVACY = Privacy "Privacy",
    DIVERSION = Diversion "Diversion",
    HISTORY_INFO = HistoryInfo "History-Info",
    REMOTE_PARTY_ID = RemotePartyId "Remote-Party-ID",
    SIP_ETAG = SipEtag "SIP-ETag",
    SIP_IF_MATCH = SipIfMatch "SIP-If-Match",
    REQUEST_DISPOSITION = RequestDisposition "Request-Disposition" "d",
    ACCEPT_CONTACT = AcceptContact "Accept-Contact" "a",
    REJECT_CONTACT = RejectContact "Reject-Contact" "j",
    IDENTITY = Identity "Identity" "y",
    ANSWER_MODE = AnswerMode "Answer-Mode",
    TARGET_DIALOG = TargetDialog "Target-Dialog",
    REFER_SUB = ReferSub "Refer-Sub",
}

impl HeaderName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            HeaderName::Known(known) => known.spelling(),
            HeaderName::Other(other) => other,
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &HeaderName) -> bool {
        match (self, other) {
            (HeaderName::Known(a), HeaderName::Known(b)) => a == b,
            (HeaderName::Other(a), HeaderName::Other(b)) => a.eq_ignore_ascii_case(b),
            (HeaderName::Known(_), HeaderName::Other(_)) | (HeaderName::Other(_), HeaderName::Known(_)) => false,
        }
    }
}

impl Eq for HeaderName {}

impl From<&str> for HeaderName {
    fn from(name: &str) -> HeaderName {
        known(name).map_or_else(|| HeaderName::Other(name.into()), HeaderName::Known)
    }
}

impl From<String> for HeaderName {
    fn from(name: String) -> HeaderName {
        HeaderName::from(name.as_str())
    }
}

impl From<HeaderName> for String {
    fn from(name: HeaderName) -> String {
        name.as_str().to_owned()
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
