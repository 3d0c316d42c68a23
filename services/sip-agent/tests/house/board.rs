//! hal-agent: the facts that sip-agent reads, the lamps that it lights.

use std::collections::HashMap;

use tokio::sync::mpsc;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{Connection, Variant, interface};

use super::soon;

const NAME: &str = "org.deskphone.Hal1";
const PATH: &str = "/org/deskphone/Hal1";

struct Hal {
    epoch: u64,
    address: String,
    hook: String,
    link: String,
    restart_pending: String,
    lamps: mpsc::UnboundedSender<(String, String)>,
}

#[interface(name = "org.deskphone.Hal1")]
impl Hal {
    fn set_lamp(&self, lamp: String, pattern: String) {
        let _ = self.lamps.send((lamp, pattern));
    }
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.epoch
    }
    #[zbus(property)]
    fn model(&self) -> String {
        "KX-UT670".into()
    }
    #[zbus(property)]
    fn mac_address(&self) -> String {
        "0080F0ABCDEF".into()
    }
    #[zbus(property)]
    fn firmware_version(&self) -> String {
        "01.070".into()
    }
    #[zbus(property)]
    fn hook(&self) -> String {
        self.hook.clone()
    }
    #[zbus(property)]
    fn link_lan(&self) -> String {
        self.link.clone()
    }
    #[zbus(property)]
    fn restart_pending(&self) -> String {
        self.restart_pending.clone()
    }
    #[zbus(property)]
    fn address(&self) -> String {
        self.address.clone()
    }
    #[zbus(signal)]
    async fn key(emitter: &SignalEmitter<'_>, name: &str, action: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;
}

pub struct Board {
    bus: Connection,
    hal: InterfaceRef<Hal>,
    lamps: mpsc::UnboundedReceiver<(String, String)>,
}

impl Board {
    pub async fn new(bus: &Connection, address: &str) -> Board {
        let (sender, lamps) = mpsc::unbounded_channel();
        let hal = Hal {
            epoch: 1,
            address: address.into(),
            hook: "on".into(),
            link: "connected".into(),
            restart_pending: String::new(),
            lamps: sender,
        };
        bus.object_server().at(PATH, hal).await.unwrap();
        let hal = bus.object_server().interface(PATH).await.unwrap();
        bus.request_name(NAME).await.unwrap();
        Board { bus: bus.clone(), hal, lamps }
    }

    pub async fn hook(&self, position: &str) {
        let mut hal = self.hal.get_mut().await;
        hal.hook = position.into();
        hal.hook_changed(self.hal.signal_emitter()).await.unwrap();
    }

    pub async fn key(&self, name: &str) {
        for action in ["pressed", "released"] {
            Hal::key(self.hal.signal_emitter(), name, action, HashMap::new()).await.unwrap();
        }
    }

    /// The LAN port's link: connected or disconnected.
    pub async fn link(&self, state: &str) {
        let mut hal = self.hal.get_mut().await;
        hal.link = state.into();
        hal.link_lan_changed(self.hal.signal_emitter()).await.unwrap();
    }

    /// The unit restarts within seconds.
    pub async fn restarts_unit(&self, why: &str) {
        let mut hal = self.hal.get_mut().await;
        hal.restart_pending = why.into();
        hal.restart_pending_changed(self.hal.signal_emitter()).await.unwrap();
    }

    /// The unit has another address.
    pub async fn moves(&self, address: &str) {
        let mut hal = self.hal.get_mut().await;
        hal.address = address.into();
        hal.address_changed(self.hal.signal_emitter()).await.unwrap();
    }

    /// hal-agent is gone, and comes back knowing no address yet.
    pub async fn restart(&mut self) {
        assert!(self.bus.release_name(NAME).await.unwrap());
        {
            let mut hal = self.hal.get_mut().await;
            hal.epoch += 1;
            hal.address = String::new();
        }
        self.bus.request_name(NAME).await.unwrap();
    }

    /// Until the lamp is set so.
    pub async fn lamp(&mut self, lamp: &str, pattern: &str) {
        let what = format!("lamp {lamp} {pattern}");
        soon(&what, async { while self.lamps.recv().await.unwrap() != (lamp.to_owned(), pattern.to_owned()) {} }).await;
    }
}
