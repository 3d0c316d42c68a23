//! Values that are legal and still look like a mistake known from the field: they are taken, with a warning.

use agreements::Diagnosis;

use crate::catalogue::Parameter;
use crate::finding::{Detail, excerpt, warning};
use crate::row::{Kind, Stands};

/// Macros that are replaced in URLs and user agents (B56, B311).
const MACROS: [&str; 4] = ["{mac}", "{MAC}", "{MODEL}", "{fwver}"];
/// Rows in which they are.
const WITH_MACROS: [&str; 7] = [
    "CFG_STANDARD_FILE_PATH",
    "CFG_PRODUCT_FILE_PATH",
    "CFG_MASTER_FILE_PATH",
    "FIRM_FILE_PATH",
    "SIP_USER_AGENT",
    "HTTP_USER_AGENT",
    "HOST_NAME",
];

/// Warnings about a legal value; empty for an ordinary one.
pub fn advise(parameter: &Parameter, value: &str) -> Vec<Diagnosis> {
    let mut advice = Vec::new();
    if WITH_MACROS.contains(&parameter.name) {
        advice.extend(macros(value));
    }
    if parameter.name == "CFG_RESYNC_FROM_SIP" && ["Y", "N", "y", "n", "0", "1"].contains(&value) {
        let reason = format!("\"{value}\" is taken as the Event header of the NOTIFY, it is no switch");
        advice.push(warning("value.event-looks-like-flag", reason).suggest("usual: \"check-sync\" or \"resync\""));
    }
    if parameter.row.kind == Kind::IntegerList && parameter.row.name.ends_with("_TIMING") {
        advice.extend(first_pause(parameter, value));
    }
    if parameter.row.stands == Stands::WhenNetworkClosed {
        let reason = "stored, not applied: needs NW_SETTING_ENABLE=N";
        advice.push(warning("value.needs-network-closed", reason).suggest("NW_SETTING_ENABLE=\"N\" in the same file"));
    }
    advice.into_iter().map(|diagnosis| diagnosis.named(parameter.name)).collect()
}

/// `{/{fwver}`, `{Mac}`, `{model}`.
fn macros(value: &str) -> Option<Diagnosis> {
    let known = MACROS.iter().fold(value.to_owned(), |text, one| text.replace(one, ""));
    let at = known.find(['{', '}'])?;
    let wrong = known.get(at..).unwrap_or("");
    let end = wrong.find('}').map_or(wrong.len(), |end| end + 1);
    let wrong = wrong.get(..end).unwrap_or("");
    let meant = MACROS.iter().find(|one| one.eq_ignore_ascii_case(wrong));
    let suggestion = match meant {
        Some(meant) => format!("write {meant}"),
        None => "only {mac}, {MAC}, {MODEL} and {fwver} are replaced".to_owned(),
    };
    let reason = format!("\"{}\" stays as it is: it is no macro", excerpt(wrong));
    Some(warning("value.unknown-macro", reason).suggest(suggestion))
}

/// C7: most timings begin with OFF, for which the guide advises 60 ms (hold tone: 500 ms) or more.
fn first_pause(parameter: &Parameter, value: &str) -> Option<Diagnosis> {
    let least = match parameter.row.name {
        "HOLD_ALARM_TIMING" | "CW_TONE1_TIMING" => return None,
        "HOLD_TONE_TIMING" => 500,
        _ => 60,
    };
    let first: i64 = value.split(',').next()?.parse().ok()?;
    let short = first < least && (first != 0 || value.contains(','));
    let reason = format!("the rhythm begins with a pause, and {first} ms is a short one");
    short.then(|| warning("value.short-pause", reason).suggest(format!("{least} or more")))
}
