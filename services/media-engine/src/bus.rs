//! org.deskphone.Media1 on the bus: shows what the driver last published and sends it commands. Decides nothing.

use std::collections::HashMap;

use phone_proto::dbus::{MEDIA_NAME, MEDIA_PATH};
use phone_proto::errors::{ErrorKind, HouseError};
use tokio::sync::{mpsc, oneshot, watch};
use zbus::object_server::InterfaceRef;
use zbus::{Connection, interface};

use crate::driver::Wish;

/// What the bus shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Random per start.
    pub epoch: u64,
    /// ready | playing | failed
    pub state: &'static str,
    /// What plays the sound.
    pub device: &'static str,
    /// RTP sessions up.
    pub sessions: u32,
    /// Its name, or "none".
    pub tone: String,
    /// Whether the ringer rings.
    pub ringing: bool,
    /// Percent, by route.
    pub volumes: HashMap<String, u8>,
}

struct MediaObject {
    shown: watch::Receiver<Shown>,
    wishes: mpsc::Sender<Wish>,
}

impl MediaObject {
    fn fact<T>(&self, of: impl Fn(&Shown) -> T) -> T {
        of(&self.shown.borrow())
    }
}

#[interface(name = "org.deskphone.Media1")]
impl MediaObject {
    async fn set_volume(&self, route: String, percent: u8) -> Result<(), HouseError> {
        let gone = || HouseError::new(ErrorKind::ServiceUnavailable, "media-engine is ending: try again in a second");
        let (answer, answered) = oneshot::channel();
        self.wishes.send(Wish::Volume { route, percent, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.fact(|shown| shown.epoch)
    }
    #[zbus(property)]
    fn state(&self) -> String {
        self.fact(|shown| shown.state.to_owned())
    }
    #[zbus(property)]
    fn device(&self) -> String {
        self.fact(|shown| shown.device.to_owned())
    }
    #[zbus(property)]
    fn sessions(&self) -> u32 {
        self.fact(|shown| shown.sessions)
    }
    #[zbus(property)]
    fn tone(&self) -> String {
        self.fact(|shown| shown.tone.clone())
    }
    #[zbus(property)]
    fn ringing(&self) -> bool {
        self.fact(|shown| shown.ringing)
    }
    #[zbus(property)]
    fn volumes(&self) -> HashMap<String, u8> {
        self.fact(|shown| shown.volumes.clone())
    }
}

/// The served object.
pub struct Served {
    object: InterfaceRef<MediaObject>,
    publish: watch::Sender<Shown>,
}

/// Serves the object, then takes the name, so that nobody meets the name without the object.
///
/// # Errors
/// The bus refuses the name, or is gone.
pub async fn serve(bus: &Connection, shown: Shown, wishes: mpsc::Sender<Wish>) -> zbus::Result<Served> {
    let (publish, watched) = watch::channel(shown);
    let server = bus.object_server();
    server.at(MEDIA_PATH, MediaObject { shown: watched, wishes }).await?;
    let object = server.interface::<_, MediaObject>(MEDIA_PATH).await?;
    bus.request_name(MEDIA_NAME).await?;
    Ok(Served { object, publish })
}

impl Served {
    /// Shows the new facts and says which have changed.
    ///
    /// # Errors
    /// The bus is gone.
    pub async fn show(&self, new: Shown) -> zbus::Result<()> {
        let old = self.publish.send_replace(new.clone());
        if old == new {
            return Ok(());
        }
        let object = self.object.get().await;
        let emitter = self.object.signal_emitter();
        macro_rules! tell {
            ($($fact:ident => $signal:ident),* $(,)?) => {
                $(if old.$fact != new.$fact { object.$signal(emitter).await?; })*
            };
        }
        tell!(
            state => state_changed,
            sessions => sessions_changed,
            tone => tone_changed,
            ringing => ringing_changed,
            volumes => volumes_changed,
        );
        Ok(())
    }
}
