//! Changes of the settings as a whole: their history, taking them back, taking values out, resets.

use std::io::{IsTerminal as _, Write as _};

use phone_proto::dbus::{CommitLine, CommitTuple, Options, SETTINGS_NAME};
use phone_proto::errors::ErrorKind;
use serde_json::{Value as Json, json};

use crate::arguments::Scope;
use crate::failure::Failure;
use crate::settings::{moment, service};
use crate::show::{Output, table};

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(SETTINGS_NAME, error)
}

/// `phonectl settings history`
pub async fn history(output: &mut Output, limit: usize) -> Result<(), Failure> {
    let mut commits = service().await?.history().await.map_err(failed)?;
    commits.truncate(limit);
    let list: Vec<Json> = commits.iter().map(commit).collect();
    output.result(&json!(list), || {
        let head = table(&["REVISION", "TIME", "WAY", "WHO", "CHANGES"], &[]);
        let told: String = commits.iter().map(in_words).collect();
        format!("{head}{told}")
    })
}

fn commit((revision, time, who, way, count, lines): &CommitTuple) -> Json {
    let line = |(layer, name, had, before, has, after): &CommitLine| json!({"layer": layer, "name": name, "before": had.then_some(before), "after": has.then_some(after)});
    let changes: Vec<Json> = lines.iter().map(line).collect();
    json!({"revision": revision, "time": time, "source": who, "way": way, "count": count, "changes": changes})
}

fn in_words((revision, time, who, way, count, lines): &CommitTuple) -> String {
    let value = |there: bool, value: &str| if there { format!("\"{value}\"") } else { "nothing".to_owned() };
    let line = |(layer, name, had, before, has, after): &CommitLine| {
        format!("    {layer} {name}: {} -> {}\n", value(*had, before), value(*has, after))
    };
    let told: String = lines.iter().map(line).collect();
    let more = usize::try_from(*count).unwrap_or(usize::MAX).saturating_sub(lines.len());
    let more = if more > 0 && !lines.is_empty() { format!("    and {more} more\n") } else { String::new() };
    format!("{revision}  {}  {way}  {who}  {count}\n{told}{more}", moment(*time))
}

/// `phonectl settings undo`
pub async fn undo(output: &mut Output, expected: u64) -> Result<(), Failure> {
    let revision = service().await?.undo(expected, Options::new()).await.map_err(failed)?;
    output.result(&json!({"revision": revision}), || format!("taken back; this is revision {revision}"))
}

/// `phonectl settings remove`
pub async fn remove(output: &mut Output, layer: &str, names: &[String], expected: u64) -> Result<(), Failure> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let revision = service().await?.remove(layer, &names, expected, Options::new()).await.map_err(failed)?;
    output.result(&json!({"revision": revision}), || format!("removed as revision {revision}"))
}

/// `phonectl reset`
pub async fn reset(output: &mut Output, scope: Scope, yes: bool) -> Result<(), Failure> {
    let (name, words) = match scope {
        Scope::Web => ("web", "everything that was set by hand and has a field on the web page; the phone restarts, calls or not"),
        Scope::Accounts => ("accounts", "IDs and passwords of the web page"),
        Scope::Data => ("data", "every setting and every registered datum; the phone restarts"),
        Scope::Factory => ("factory", "everything that the phone did not leave the factory with; the phone restarts"),
    };
    if !yes && !agreed(&format!("This resets {words}.")) {
        return Err(Failure::new(ErrorKind::InvalidArgument, format!("not done: this resets {words}; --yes does it")));
    }
    let revision = service().await?.reset(name, Options::new()).await.map_err(failed)?;
    output.result(&json!({"revision": revision, "scope": name}), || format!("reset as revision {revision}"))
}

/// Asks where somebody can be asked.
pub fn agreed(words: &str) -> bool {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return false;
    }
    let mut asked = std::io::stderr();
    let mut answer = String::new();
    let shown = write!(asked, "{words} Go on? [y/N] ").and_then(|()| asked.flush());
    shown.is_ok() && input.read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}
