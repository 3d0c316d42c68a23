//! org.deskphone.Web1 on the bus: shows what the driver last published and passes wishes on. Decides nothing.

use phone_proto::dbus::{WEB_NAME, WEB_PATH};
use phone_proto::errors::{ErrorKind, HouseError};
use service_kit::bus::caller_is_admin;
use tokio::sync::{mpsc, watch};
use zbus::message::Header;
use zbus::object_server::InterfaceRef;
use zbus::{Connection, interface};

/// What the bus shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Random per start.
    pub epoch: u64,
    /// Revision in effect.
    pub applied_revision: u64,
    /// The port is open.
    pub port_open: bool,
    /// Where; the configured one while it is closed.
    pub port: u16,
    /// "user", "admin" or empty.
    pub session: &'static str,
}

/// What callers want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Open the port.
    Open,
    /// Close it.
    Close,
}

struct Web {
    shown: watch::Receiver<Shown>,
    wishes: mpsc::Sender<Wish>,
}

impl Web {
    async fn wish(&self, wish: Wish, bus: &Connection, header: &Header<'_>) -> Result<(), HouseError> {
        caller_is_admin(bus, header).await?;
        let ending = |_| HouseError::new(ErrorKind::ServiceUnavailable, "web-ui is ending: try again in a second");
        self.wishes.send(wish).await.map_err(ending)
    }
}

#[interface(name = "org.deskphone.Web1")]
impl Web {
    async fn open_port(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), HouseError> {
        self.wish(Wish::Open, bus, &header).await
    }
    async fn close_port(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), HouseError> {
        self.wish(Wish::Close, bus, &header).await
    }
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.shown.borrow().epoch
    }
    #[zbus(property)]
    fn applied_revision(&self) -> u64 {
        self.shown.borrow().applied_revision
    }
    #[zbus(property)]
    fn port_open(&self) -> bool {
        self.shown.borrow().port_open
    }
    #[zbus(property)]
    fn port(&self) -> u16 {
        self.shown.borrow().port
    }
    #[zbus(property)]
    fn session(&self) -> String {
        self.shown.borrow().session.to_owned()
    }
}

/// The served object.
pub struct Served {
    web: InterfaceRef<Web>,
    publish: watch::Sender<Shown>,
}

/// Serves the object, then takes the name, so that nobody meets the name without the object.
///
/// # Errors
/// The bus is gone, or refuses the name.
pub async fn serve(bus: &Connection, shown: Shown, wishes: mpsc::Sender<Wish>) -> zbus::Result<Served> {
    let (publish, watched) = watch::channel(shown);
    bus.object_server().at(WEB_PATH, Web { shown: watched, wishes }).await?;
    let web = bus.object_server().interface::<_, Web>(WEB_PATH).await?;
    bus.request_name(WEB_NAME).await?;
    Ok(Served { web, publish })
}

impl Served {
    /// Shows the new facts and says which have changed.
    ///
    /// # Errors
    /// The bus is gone.
    pub async fn show(&self, new: Shown) -> zbus::Result<()> {
        let old = self.publish.send_replace(new.clone());
        let web = self.web.get().await;
        let emitter = self.web.signal_emitter();
        if old.applied_revision != new.applied_revision {
            web.applied_revision_changed(emitter).await?;
        }
        if old.port_open != new.port_open {
            web.port_open_changed(emitter).await?;
        }
        if old.port != new.port {
            web.port_changed(emitter).await?;
        }
        if old.session != new.session {
            web.session_changed(emitter).await?;
        }
        Ok(())
    }
}
