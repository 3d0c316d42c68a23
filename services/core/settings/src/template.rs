//! What stands in braces in URLs and user agents, and what is put behind a URL that ends in a slash (B39, B53 to B57, C53).

/// What the unit knows about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Twelve hexadecimal digits in any case.
    pub mac: String,
    /// KX-UT670.
    pub model: String,
    /// The running firmware: 01.070.
    pub firmware: String,
}

/// The three files of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// For one unit.
    Standard,
    /// For one model.
    Product,
    /// For all.
    Master,
}

impl FileKind {
    /// In the order in which they are asked for: master first (B50).
    pub const ALL: [FileKind; 3] = [FileKind::Master, FileKind::Product, FileKind::Standard];

    /// standard, product, master.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Standard => "standard",
            FileKind::Product => "product",
            FileKind::Master => "master",
        }
    }

    /// The parameter that holds its URL.
    pub fn parameter(self) -> &'static str {
        match self {
            FileKind::Standard => "CFG_STANDARD_FILE_PATH",
            FileKind::Product => "CFG_PRODUCT_FILE_PATH",
            FileKind::Master => "CFG_MASTER_FILE_PATH",
        }
    }

    /// What a URL that ends in a slash gets appended (B53 to B55).
    fn suffix(self) -> &'static str {
        match self {
            FileKind::Standard => "Config{mac}.cfg",
            FileKind::Product => "{MODEL}.cfg",
            FileKind::Master => "sip.cfg",
        }
    }
}

/// `{mac}` lower case, `{MAC}` upper case, `{MODEL}`, `{fwver}` the running version; literally as written, anything else stays.
pub fn expand(text: &str, facts: &Facts) -> String {
    replace(text, facts, &facts.firmware)
}

/// The URL to fetch; none when the parameter is empty, which means that there is no such file.
pub fn file_url(kind: FileKind, path: &str, facts: &Facts) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let suffix = if path.ends_with('/') { kind.suffix() } else { "" };
    Some(expand(&format!("{path}{suffix}"), facts))
}

/// FIRM_FILE_PATH: here `{fwver}` is FIRM_VERSION, the version that is wanted (B57). None when the path is empty.
pub fn firmware_url(path: &str, firm_version: &str, facts: &Facts) -> Option<String> {
    if path.is_empty() { None } else { Some(replace(path, facts, firm_version)) }
}

/// A URL as it may be shown: the password of its account masked.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Some((account, place)) = authority.rsplit_once('@') else { return url.to_owned() };
    match account.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{}@{place}{path}", agreements::MASK),
        None => url.to_owned(),
    }
}

/// One pass from left to right, so that what a macro brings in is not replaced again.
fn replace(text: &str, facts: &Facts, firmware: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (macro_text, with) = match () {
            () if from.starts_with("{mac}") => ("{mac}", facts.mac.to_ascii_lowercase()),
            () if from.starts_with("{MAC}") => ("{MAC}", facts.mac.to_ascii_uppercase()),
            () if from.starts_with("{MODEL}") => ("{MODEL}", facts.model.clone()),
            () if from.starts_with("{fwver}") => ("{fwver}", firmware.to_owned()),
            () => ("{", "{".to_owned()),
        };
        out.push_str(&with);
        rest = from.get(macro_text.len()..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { mac: "0080F0abcdef".into(), model: "KX-UT670".into(), firmware: "01.070".into() }
    }

    /// B56, B311, C53.
    #[test]
    fn macros_are_replaced_as_they_are_written() {
        assert_eq!(expand("Panasonic_{MODEL}/{fwver} ({mac})", &facts()), "Panasonic_KX-UT670/01.070 (0080f0abcdef)");
        assert_eq!(expand("Config{MAC}.cfg", &facts()), "Config0080F0ABCDEF.cfg");
        assert_eq!(expand("{Mac}{/{fwver}{", &facts()), "{Mac}{/01.070{");
    }

    /// B53, B54, B55.
    #[test]
    fn a_slash_at_the_end_gets_the_file_name_of_its_kind() {
        let at = |kind| file_url(kind, "http://host/dir/", &facts());
        assert_eq!(at(FileKind::Standard).as_deref(), Some("http://host/dir/Config0080f0abcdef.cfg"));
        assert_eq!(at(FileKind::Product).as_deref(), Some("http://host/dir/KX-UT670.cfg"));
        assert_eq!(at(FileKind::Master).as_deref(), Some("http://host/dir/sip.cfg"));
        assert_eq!(file_url(FileKind::Master, "", &facts()), None);
    }

    /// B57.
    #[test]
    fn the_firmware_url_names_the_version_that_is_wanted() {
        let url = firmware_url("http://host/{MODEL}-{fwver}.bin", "01.080", &facts());
        assert_eq!(url.as_deref(), Some("http://host/KX-UT670-01.080.bin"));
    }

    #[test]
    fn a_password_in_a_url_is_masked() {
        assert_eq!(without_password("ftp://joe:secret@host/a@b"), "ftp://joe:********@host/a@b");
        assert_eq!(without_password("http://host/a:b@c"), "http://host/a:b@c");
    }
}
