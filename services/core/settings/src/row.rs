//! What the catalogue says about one parameter family. Plain data: the rows are made by build/ from catalogue/*.toml, so that
//! nothing is parsed at run time and a wrong row does not compile. Nothing here decides; value, layers and plain do.

/// How many parameters one family has, and how they are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One.
    Global,
    /// One per line, 1 to 6 (B88).
    Line,
    /// One per codec and line: codecs 0 G.722, 1 PCMA, 3 G.729A, 4 PCMU (B101).
    CodecLine,
    /// One per flexible button, 1 to 24 (B100).
    Button,
    /// One per external RTP channel, 1 to 25 (B168).
    Channel,
    /// One per entry of the call rejection list, 1 to 30 (B182).
    Entry,
}

impl Scope {
    /// As it stands in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Global => "global",
            Scope::Line => "line",
            Scope::CodecLine => "codec x line",
            Scope::Button => "button",
            Scope::Channel => "channel",
            Scope::Entry => "entry",
        }
    }
}

/// The guide's value formats (5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Digits with an optional leading minus, never empty (B89).
    Integer,
    /// `Y` or `N` (B90).
    Boolean,
    /// Text (B92).
    String,
    /// Integers with commas between, never empty (B91).
    IntegerList,
}

impl Kind {
    /// As it stands in listings: the guide's own words in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::String => "string",
            Kind::IntegerList => "comma-separated integer",
        }
    }
}

/// First and last legal integer.
pub type Span = (i64, i64);

/// One legal value of a row that has only a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As written in a file.
    pub value: &'static str,
    /// As a person reads it in a form; often the same.
    pub label: &'static str,
}

/// What is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `Y` and `N`, with what a form calls them.
    Flag {
        /// What a form calls `Y`.
        yes: &'static str,
        /// What a form calls `N`.
        no: &'static str,
    },
    /// Any integer of the spans that is a multiple of `multiple_of`.
    Integers {
        /// Ascending, not touching.
        spans: &'static [Span],
        /// 1, or 2 for "even numbers only".
        multiple_of: i64,
    },
    /// Exactly these.
    Choices(&'static [Choice]),
    /// Between `min` and `max` characters, or nothing where the row allows the empty value.
    Text {
        /// Fewest characters.
        min: u16,
        /// Most characters.
        max: u16,
        /// Most bytes in UTF-8, where the guide limits them too.
        max_bytes: Option<u16>,
    },
    /// A list of integers.
    List {
        /// Legal values of each.
        spans: &'static [Span],
        /// Most of them; one at least.
        max_count: u8,
    },
}

/// Which characters a text may hold (C15, C58). The double quote is in none: a plain file cannot carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// 0x20 to 0x7E.
    Ascii,
    /// Unicode without control characters.
    Unicode,
    /// ASCII without `& ' : < >` and space (B164).
    Account,
    /// ASCII without `& ' < >` and space (B163).
    Host,
    /// ASCII without `& ' : ; < >` and space; the scheme's colon is legal (C14).
    Uri,
    /// 0-9.
    Digits,
    /// 0-9 * #.
    Dial,
    /// 0-9 [ - ] < : > * # ! S s T t X x . | + (B220).
    DialPlan,
    /// 0-9 a-f A-F.
    Hex,
}

/// What a text must look like beyond its characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Anything.
    Free,
    /// An IP address or a host name (C39).
    Host,
    /// An IP address (C39).
    IpAddress,
    /// A dotted IPv4 mask with its ones in front.
    SubnetMask,
    /// A URL after B58 with one of http, https, ftp, tftp.
    Url,
    /// `sip:user@host` (user to 63, host to 127 characters).
    SipUri,
    /// HH:MM, 00:00 to 23:59.
    TimeOfDay,
    /// 00.000 to 15.999 (B246).
    FirmwareVersion,
    /// B219 to B230, C26.
    DialPlan,
}

/// Where a value may be set. The dealer preset may set any row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBy {
    /// In a configuration file.
    pub file: bool,
    /// In the web interface.
    pub web: bool,
    /// On the phone.
    pub phone: bool,
    /// By the SIP server of its line, where the two are kept the same (FWD_DND_SYNCHRO_ENABLE_n).
    pub server: bool,
}

impl SetBy {
    /// The names in this order: file, web, phone, server.
    pub fn names(self) -> Vec<&'static str> {
        [(self.file, "file"), (self.web, "web"), (self.phone, "phone"), (self.server, "server")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
            .collect()
    }
}

/// Where a value stands in an XML file (B99 to B101).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xml {
    /// The elements around it, outermost first, without the root; `Line`, `Button` and `List` carry an ID.
    pub path: &'static [&'static str],
    /// Element, `[n]` for the line.
    pub element: &'static str,
    /// Attribute, with `[n]` line, `[x]` button, `[y]` codec.
    pub attribute: &'static str,
}

/// The lowest web account that sees a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// User and Administrator.
    User,
    /// Administrator only.
    Administrator,
}

impl Access {
    /// As it stands in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::User => "user",
            Access::Administrator => "administrator",
        }
    }
}

/// Where a value stands in the web interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Web {
    /// Network, System, VoIP, Telephone or Maintenance.
    pub tab: &'static str,
    /// Menu item; those per line end in `[Line n]`.
    pub screen: &'static str,
    /// Section title on the screen.
    pub section: &'static str,
    /// Field label; `[y]` stands for the codec's name, `[n]` for the line, `[x]` for the number.
    pub label: &'static str,
    /// Who sees it.
    pub access: Access,
    /// The field shows the inverse of the flag (C3).
    pub inverted: bool,
    /// Line of the guide's text where the field is described; fields of a screen stand in this order.
    pub guide: u32,
}

/// What it takes until a new value is in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing is in effect by itself (an account name that is only compared, a value that is stored for later).
    None,
    /// At once.
    Live,
    /// With the next call.
    NextCall,
    /// The line registers again.
    ReRegister,
    /// The service starts again.
    RestartService,
    /// The unit restarts.
    RestartUnit,
}

impl Effect {
    /// As it stands in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::None => "none",
            Effect::Live => "live",
            Effect::NextCall => "next call",
            Effect::ReRegister => "re-register",
            Effect::RestartService => "restart service",
            Effect::RestartUnit => "restart unit",
        }
    }
}

/// Rows whose file values stand back once a person has set one of them on the phone (B114, B116 to B119), or unless the files
/// also close the network settings of the unit (B115, C32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stands {
    /// The ordinary order of layers.
    Ordinary,
    /// One group: a value of any of these rows that was set on the phone hides the file values of all of them.
    BehindPhone(&'static str),
    /// File values apply only with NW_SETTING_ENABLE=N.
    WhenNetworkClosed,
}

/// What a service may know of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nothing.
    Hidden,
    /// Whether it is set: the mask or the empty string.
    Masked,
    /// The value; a password inside a URL is masked.
    Shown,
    /// The value.
    Full,
}

/// One parameter family.
#[derive(Debug)]
pub struct Row {
    /// With `n` for the line, `x` for codec, button or number: `SIP_SRC_PORT_n`.
    pub name: &'static str,
    /// Older or misprinted spellings that are accepted (C9, C10).
    pub aliases: &'static [&'static str],
    /// How many there are.
    pub scope: Scope,
    /// Value format.
    pub kind: Kind,
    /// What is legal.
    pub range: Range,
    /// Misprinted values that are read as the legal one at the same place of the choices (C10).
    pub value_aliases: &'static [&'static str],
    /// Characters of a string.
    pub charset: Charset,
    /// Shape of a string.
    pub format: Format,
    /// One factory default for all, or one per line.
    pub defaults: &'static [&'static str],
    /// Whether the empty value is legal (B85).
    pub empty_allowed: bool,
    /// Never shown, logged or exported.
    pub secret: bool,
    /// Where it may be set.
    pub set_by: SetBy,
    /// In XML files.
    pub xml: Option<Xml>,
    /// In the web interface.
    pub web: Option<Web>,
    /// Services that need it.
    pub consumers: &'static [&'static str],
    /// What it takes.
    pub effect: Effect,
    /// The area that will give it its effect; none: it has it in this version.
    pub pending: Option<&'static str>,
    /// Exceptions from the order of layers.
    pub stands: Stands,
    /// Unit of a number for people: "seconds".
    pub unit: Option<&'static str>,
    /// One or two sentences in our own words.
    pub doc: &'static str,
    /// Section of the guide (5.8.2), or of ours.
    pub section: &'static str,
    /// Line of the guide's text where the parameter is described; 0 for rows of ours.
    pub guide: u32,
}

impl Row {
    /// The factory default for this index (line, button, number: 1 is the first).
    pub fn default_for(&self, number: u8) -> &'static str {
        let position = usize::from(number.saturating_sub(1));
        self.defaults.get(position).or_else(|| self.defaults.first()).copied().unwrap_or("")
    }

    /// What a service may see. The web interface sees of every field on its screens whether a secret is set, and its value only
    /// where it is a named consumer.
    pub fn visibility(&self, service: &str) -> Visibility {
        if self.consumers.contains(&service) {
            Visibility::Full
        } else if service == "web-ui" && self.web.is_some() {
            if self.secret { Visibility::Masked } else { Visibility::Shown }
        } else {
            Visibility::Hidden
        }
    }

    /// A value as a service may see it; none where the row is not for it.
    pub fn seen_by(&self, service: &str, value: &str) -> Option<String> {
        match self.visibility(service) {
            Visibility::Hidden => None,
            Visibility::Masked | Visibility::Shown => Some(self.shown(value)),
            Visibility::Full => Some(value.to_owned()),
        }
    }

    /// A value as it may be shown to anybody: a secret that is set as the mask, a URL without its password.
    pub fn shown(&self, value: &str) -> String {
        match self.secret {
            true if value.is_empty() => String::new(),
            true => agreements::MASK.to_owned(),
            false => crate::template::without_password(value),
        }
    }

    /// The range as people read it: `1024–49151`, `0, 60–65535`, `Y, N`, `max. 127 characters`.
    pub fn range_text(&self) -> String {
        match self.range {
            Range::Flag { .. } => "Y, N".to_owned(),
            Range::Choices(choices) => choices.iter().map(|choice| choice.value).collect::<Vec<_>>().join(", "),
            Range::Integers { spans, multiple_of } => integers_text(spans, multiple_of),
            Range::List { spans, max_count } => format!("{}; up to {max_count} values", integers_text(spans, 1)),
            Range::Text { min, max, max_bytes } => text_length(self, min, max, max_bytes),
        }
    }
}

fn integers_text(spans: &[Span], multiple_of: i64) -> String {
    let one = |&(first, last): &Span| if first == last { first.to_string() } else { format!("{first}\u{2013}{last}") };
    let text = spans.iter().map(one).collect::<Vec<_>>().join(", ");
    match multiple_of {
        1 => text,
        2 => format!("{text} (even numbers only)"),
        step => format!("{text} (in steps of {step})"),
    }
}

fn text_length(row: &Row, min: u16, max: u16, max_bytes: Option<u16>) -> String {
    match (row.format, min, max_bytes) {
        (Format::TimeOfDay, ..) => "00:00\u{2013}23:59".to_owned(),
        (Format::FirmwareVersion, ..) => "00.000\u{2013}15.999".to_owned(),
        (Format::IpAddress, ..) => "IP address".to_owned(),
        (Format::SubnetMask, ..) => "subnet mask".to_owned(),
        (Format::Host, ..) => format!("max. {max} characters (IP address or host name)"),
        (_, _, Some(bytes)) => format!("max. {max} characters or {bytes} bytes"),
        (_, min, None) if min == max => format!("{max} characters"),
        (_, 0 | 1, None) => format!("max. {max} characters"),
        (_, min, None) => format!("{min}\u{2013}{max} characters"),
    }
}
