//! What the person at the terminal should know about the sound: phonelab asks media-engine once. It must not decide anything
//! about it.

use std::collections::HashMap;

use zbus::OwnedVariant;

const NAME: &str = "org.deskphone.Media1";

/// One line for people where nothing can be heard; none where something can, or where media-engine does not say.
pub async fn notice(bus: &str) -> Option<&'static str> {
    (device(bus).await.ok()? == "silence").then_some(
        "No sound card was found: the phone speaks and plays silence. --audio-feed loop|WAV and --audio-record WAV simulate a handset.",
    )
}

async fn device(bus: &str) -> zbus::Result<String> {
    let connection = zbus::connection::Builder::address(bus).build().await?;
    let properties = Some("org.freedesktop.DBus.Properties");
    let reply = connection.call_method(Some(NAME), "/org/deskphone/Media1", properties, "GetAll", &NAME).await?;
    let mut values: HashMap<String, OwnedVariant> = reply.body().deserialize()?;
    values.remove("Device").ok_or(zbus::Error::MissingField)?.try_into()
}
