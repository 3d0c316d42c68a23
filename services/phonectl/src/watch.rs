//! Events as they come: objects that appear, change and go, signals, services that come and go. The first event says that from
//! now on nothing is missed.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, stream};
use phone_proto::errors::ErrorKind;
use serde_json::{Value as Json, json};
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

use crate::bus;
use crate::failure::{Failure, service};
use crate::json::{self, text};
use crate::show::Output;

/// `phonectl watch`
pub async fn watch(output: &mut Output) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let rules = rules().map_err(bus_failed)?;
    let mut streams = Vec::new();
    for rule in rules {
        streams.push(MessageStream::for_match_rule(rule, &connection, None).await.map_err(bus_failed)?);
    }
    let mut messages = stream::select_all(streams);
    output.result(&json!({"event": "watching"}), || "watching; Ctrl-C ends it".to_owned())?;
    while let Some(message) = messages.next().await {
        let event = message.ok().and_then(|message| event(&message).ok().flatten());
        if let Some(event) = event {
            output.result(&event, || line(&event))?;
        }
    }
    Err(Failure::new(ErrorKind::ServiceUnavailable, format!("the bus has gone{}", at(&connection))))
}

fn at(connection: &Connection) -> String {
    connection.unique_name().map(|name| format!(" (we were {name})")).unwrap_or_default()
}

fn bus_failed(error: zbus::Error) -> Failure {
    Failure::new(ErrorKind::ServiceUnavailable, format!("the bus cannot be watched: {error}"))
}

fn rules() -> zbus::Result<[MatchRule<'static>; 2]> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    Ok([
        // Properties, objects and our own signals alike: everything below our root.
        signal().path_namespace("/org/deskphone").build()?,
        signal()
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg0ns("org.deskphone")
            .build()?,
    ])
}

fn event(message: &Message) -> zbus::Result<Option<Json>> {
    let header = message.header();
    let (Some(interface), Some(member)) = (header.interface(), header.member()) else { return Ok(None) };
    let path = header.path().map(|path| path.as_str().to_owned()).unwrap_or_default();
    Ok(match (interface.as_str(), member.as_str()) {
        ("org.freedesktop.DBus", "NameOwnerChanged") => Some(owner(message)?),
        ("org.freedesktop.DBus.Properties", "PropertiesChanged") => Some(changed(&path, message)?),
        ("org.freedesktop.DBus.ObjectManager", "InterfacesAdded") => Some(added(message)?),
        ("org.freedesktop.DBus.ObjectManager", "InterfacesRemoved") => Some(removed(message)?),
        (interface, member) if interface.starts_with("org.deskphone.") => Some(json!({
            "event": "signal", "path": path, "interface": interface, "signal": member, "arguments": arguments(message)?,
        })),
        _ => None,
    })
}

fn owner(message: &Message) -> zbus::Result<Json> {
    let (name, _, new): (String, String, String) = message.body().deserialize()?;
    Ok(json!({"event": "service", "service": service(&name), "name": name, "up": !new.is_empty()}))
}

fn changed(path: &str, message: &Message) -> zbus::Result<Json> {
    let body = message.body();
    let (interface, changed, invalidated): (String, HashMap<String, OwnedVariant>, Vec<String>) = body.deserialize()?;
    Ok(json!({"event": "changed", "path": path, "interface": interface, "properties": values(changed), "invalidated": invalidated}))
}

fn added(message: &Message) -> zbus::Result<Json> {
    type Interfaces = HashMap<String, HashMap<String, OwnedVariant>>;
    let (path, interfaces): (OwnedObjectPath, Interfaces) = message.body().deserialize()?;
    let interfaces: BTreeMap<_, _> = interfaces.into_iter().map(|(name, of)| (name, values(of))).collect();
    Ok(json!({"event": "added", "path": path.as_str(), "interfaces": interfaces}))
}

fn removed(message: &Message) -> zbus::Result<Json> {
    let (path, interfaces): (OwnedObjectPath, Vec<String>) = message.body().deserialize()?;
    Ok(json!({"event": "removed", "path": path.as_str(), "interfaces": interfaces}))
}

fn arguments(message: &Message) -> zbus::Result<Json> {
    let body = message.body();
    if body.is_empty() {
        return Ok(json!([]));
    }
    let structure: zbus::Structure<'_> = body.deserialize()?;
    Ok(structure.fields().iter().map(json::of).collect::<Vec<_>>().into())
}

fn values(properties: HashMap<String, OwnedVariant>) -> BTreeMap<String, Json> {
    properties.into_iter().map(|(name, value)| (name, json::of(&value))).collect()
}

/// `what path: detail`
fn line(event: &Json) -> String {
    let of = |key: &str| event.get(key).map(text).unwrap_or_default();
    let short = |path: String| path.trim_start_matches("/org/deskphone/").to_owned();
    let pairs = |values: Option<&Json>| -> String {
        let pair = |(name, value): (&String, &Json)| format!("{name}={}", text(value));
        values.and_then(Json::as_object).map(|map| map.iter().map(pair).collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    match of("event").as_str() {
        "service" => format!("{} {}", of("service"), if event.get("up") == Some(&Json::Bool(true)) { "is up" } else { "is gone" }),
        "changed" => format!("{}: {}", short(of("path")), pairs(event.get("properties"))),
        "added" => {
            let all = event.get("interfaces").and_then(Json::as_object);
            let detail: Vec<_> = all.into_iter().flat_map(|map| map.values()).map(|values| pairs(Some(values))).collect();
            format!("{} is there: {}", short(of("path")), detail.join(" "))
        }
        "removed" => format!("{} is gone", short(of("path"))),
        _ => format!("{}: {} {}", short(of("path")), of("signal"), of("arguments")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn people_read_one_line_per_event() {
        let change = json!({"event": "changed", "path": "/org/deskphone/Sip1/line/1", "properties": {"State": "registered"}});
        assert_eq!(line(&change), "Sip1/line/1: State=registered");
        assert_eq!(line(&json!({"event": "service", "service": "web-ui", "up": false})), "web-ui is gone");
        let key = json!({"event": "signal", "path": "/org/deskphone/Hal1", "signal": "Key", "arguments": ["5", "pressed", {}]});
        assert_eq!(line(&key), "Hal1: Key 5, pressed, {}");
    }
}
