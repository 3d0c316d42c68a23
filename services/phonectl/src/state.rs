//! What there is: the phone at a glance, the lines, the calls.

use phone_proto::dbus::{
    HAL_NAME, HAL_PATH, MEDIA_NAME, MEDIA_PATH, PROVISIONING_NAME, PROVISIONING_PATH, SETTINGS_NAME, SETTINGS_PATH, SIP_NAME,
    SIP_PATH, WEB_NAME, WEB_PATH,
};
use serde_json::{Map, Value as Json, json};

use crate::bus::{self, Objects, Properties};
use crate::failure::{Failure, absent};
use crate::json::text;
use crate::show::{Output, table};

const LINE: &str = "org.deskphone.Sip1.Line";
const CALL: &str = "org.deskphone.Sip1.Call";

/// Each service's main object: key in the JSON, bus name, path, interface.
const MAIN: [(&str, &str, &str, &str); 6] = [
    ("board", HAL_NAME, HAL_PATH, "org.deskphone.Hal1"),
    ("phone", SIP_NAME, SIP_PATH, "org.deskphone.Sip1.Phone"),
    ("media", MEDIA_NAME, MEDIA_PATH, "org.deskphone.Media1"),
    ("settings", SETTINGS_NAME, SETTINGS_PATH, "org.deskphone.Settings1"),
    ("provisioning", PROVISIONING_NAME, PROVISIONING_PATH, "org.deskphone.Provisioning1"),
    ("web", WEB_NAME, WEB_PATH, "org.deskphone.Web1"),
];

/// One call as scripts and tables want it.
pub struct Call {
    /// The ULID.
    pub identity: String,
    /// Where it is on the bus.
    pub path: String,
    /// Everything.
    pub properties: Properties,
}

impl Call {
    /// A property as text.
    pub fn text(&self, name: &str) -> String {
        self.properties.get(name).map(text).unwrap_or_default()
    }
}

/// `phonectl status`: what is up and what it says; a service that is not there is null.
pub async fn status(output: &mut Output) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let mut all = Map::new();
    for (key, name, path, interface) in MAIN {
        let values = bus::properties_if_up(&connection, name, path, interface).await?;
        all.insert(key.to_owned(), values.map_or(Json::Null, |values| json!(values)));
    }
    if all.values().all(Json::is_null) {
        return Err(absent(SIP_NAME));
    }
    let objects =
        if all.get("phone").is_some_and(|phone| !phone.is_null()) { bus::sip_objects(&connection).await? } else { Objects::new() };
    all.insert("lines".to_owned(), json!(lines_of(&objects)));
    all.insert("calls".to_owned(), json!(calls_of(&objects).iter().map(|call| &call.properties).collect::<Vec<_>>()));
    let all = Json::Object(all);
    output.result(&all, || glance(&all, &objects))
}

fn glance(all: &Json, objects: &Objects) -> String {
    let value =
        |pointer: &str| all.pointer(pointer).map(text).filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let mut out = format!(
        "{} {}  MAC {}  address {}  hook {}\n",
        value("/board/Model"),
        value("/board/FirmwareVersion"),
        value("/board/MacAddress"),
        value("/board/Address"),
        value("/board/Hook"),
    );
    out += &format!("sound {} ({})  web port {}\n", value("/media/State"), value("/media/Device"), web(all));
    out += &format!("settings revision {}, in effect {}\n", value("/settings/Revision"), value("/phone/AppliedRevision"));
    for alarm in all.pointer("/settings/Alarms").and_then(Json::as_array).into_iter().flatten() {
        out += &format!("ALARM {}\n", text(alarm));
    }
    for (key, name, _, _) in MAIN {
        if all.get(key).is_none_or(Json::is_null) {
            out += &format!("{} is not on the bus ({name})\n", crate::failure::service(name));
        }
    }
    format!("{out}\n{}\n{}", lines_table(objects), calls_table(objects))
}

fn web(all: &Json) -> String {
    match (all.pointer("/web/PortOpen").and_then(Json::as_bool), all.pointer("/web/Port").map(text)) {
        (Some(true), Some(port)) => format!("{port} open"),
        (Some(false), _) => "closed".to_owned(),
        (Some(true), None) | (None, _) => "unknown".to_owned(),
    }
}

/// `phonectl lines`
pub async fn lines(output: &mut Output) -> Result<(), Failure> {
    let objects = bus::sip_objects(&bus::connect().await?).await?;
    output.result(&json!(lines_of(&objects)), || lines_table(&objects))
}

/// `phonectl calls`
pub async fn calls(output: &mut Output) -> Result<(), Failure> {
    let objects = bus::sip_objects(&bus::connect().await?).await?;
    let calls = calls_of(&objects);
    let list: Vec<_> = calls.iter().map(|call| &call.properties).collect();
    output.result(&json!(list), || calls_table(&objects))
}

/// `phonectl watched`
pub async fn watched(output: &mut Output) -> Result<(), Failure> {
    let objects = bus::sip_objects(&bus::connect().await?).await?;
    let all = watched_of(&objects);
    output.result(&json!(all), || {
        let row = |one: &Json| ["line", "uri", "name", "state"].map(|key| one.get(key).map(text).unwrap_or_default()).to_vec();
        table(&["LINE", "ADDRESS", "NAME", "STATE"], &all.iter().map(row).collect::<Vec<_>>())
    })
}

/// Whom each line watches, in the order of the lists.
fn watched_of(objects: &Objects) -> Vec<Json> {
    let of_line = |line: &&Properties| {
        let number = line.get("Number").cloned().unwrap_or_default();
        let people = line.get("Watched").and_then(Json::as_array).cloned().unwrap_or_default();
        let part = |one: &Json, at: usize| one.get(at).cloned().unwrap_or_default();
        let shown = move |one: Json| json!({"line": number, "uri": part(&one, 0), "name": part(&one, 1), "state": part(&one, 2)});
        people.into_iter().map(shown).collect::<Vec<_>>()
    };
    lines_of(objects).iter().flat_map(of_line).collect()
}

fn lines_of(objects: &Objects) -> Vec<&Properties> {
    let mut lines: Vec<_> = objects.values().filter_map(|interfaces| interfaces.get(LINE)).collect();
    lines.sort_by_key(|line| line.get("Number").and_then(Json::as_u64));
    lines
}

/// The calls, oldest first: a ULID begins with its time.
pub fn calls_of(objects: &Objects) -> Vec<Call> {
    let call = |(path, interfaces): (&String, &std::collections::BTreeMap<String, Properties>)| {
        let identity = path.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Call { identity, path: path.clone(), properties: interfaces.get(CALL)?.clone() })
    };
    objects.iter().filter_map(call).collect()
}

fn lines_table(objects: &Objects) -> String {
    let row = |line: &&Properties| {
        let value = |name: &str| line.get(name).map(text).unwrap_or_default();
        let features = match value("FeatureSyncError") {
            why if why.is_empty() => value("FeatureSync"),
            why => format!("{}: {why}", value("FeatureSync")),
        };
        let names = ["Number", "State", "PhoneNumber", "DisplayName", "Registrar"];
        names.map(value).into_iter().chain([shared(line), value("LastError"), features]).collect()
    };
    let titles = ["LINE", "STATE", "NUMBER", "NAME", "REGISTRAR", "SHARED", "LAST ERROR", "DND/FWD AT SERVER"];
    table(&titles, &lines_of(objects).iter().map(row).collect::<Vec<_>>())
}

/// What the units of a shared line do with it: "1 active <sip:300@example.com>; 2 held", or how far we are with being told.
fn shared(line: &Properties) -> String {
    let list = line.get("Appearances").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |appearance: &Json| {
        let words = appearance.as_array().into_iter().flatten().map(text).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    };
    let used: Vec<_> = list.iter().map(one).collect();
    match line.get("Shared").map(text).as_deref() {
        None | Some("off") => String::new(),
        Some("active") if used.is_empty() => "idle".to_owned(),
        Some("active") => used.join("; "),
        Some(other) => other.to_owned(),
    }
}

fn calls_table(objects: &Objects) -> String {
    let calls = calls_of(objects);
    if calls.is_empty() {
        return "no calls\n".to_owned();
    }
    let row = |call: &Call| {
        let end = match call.text("EndCode").as_str() {
            "" | "0" => call.text("EndReason"),
            code => format!("{code} {}", call.text("EndReason")),
        };
        let names = ["Line", "Direction", "State", "Hold", "RemoteNumber", "RemoteName", "Codec", "Media"];
        std::iter::once(call.identity.clone()).chain(names.map(|name| call.text(name))).chain([end]).collect()
    };
    table(
        &["CALL", "LINE", "DIRECTION", "STATE", "HOLD", "NUMBER", "NAME", "CODEC", "MEDIA", "END"],
        &calls.iter().map(row).collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_whom_the_lines_watch_stand_line_by_line() {
        let line = |number: u8, watched: Json| {
            let properties: Properties = [("Number".to_owned(), json!(number)), ("Watched".to_owned(), watched)].into();
            (format!("/org/deskphone/Sip1/line/{number}"), [(LINE.to_owned(), properties)].into())
        };
        let people = json!([["sip:300@x", "Ada", "ringing"], ["sip:301@x", "", "idle"]]);
        let objects: Objects = [line(1, json!([])), line(2, people)].into();
        let ada = json!({"line": 2, "uri": "sip:300@x", "name": "Ada", "state": "ringing"});
        assert_eq!(watched_of(&objects), [ada, json!({"line": 2, "uri": "sip:301@x", "name": "", "state": "idle"})]);
    }
}
