//! org.deskphone.Hal1 on the bus: reads what the driver last published and sends it commands. Decides nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use agreements::{BoardWordError, Hook, LampPattern};
use phone_proto::dbus::{HAL_NAME, HAL_PATH};
use phone_proto::errors::{ErrorKind, HouseError};
use tokio::sync::{mpsc, oneshot, watch};
use zbus::message::Header;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{Connection, Variant, interface};

use crate::board::{Facts, invalid, shortened};

/// What the bus shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Random per start.
    pub epoch: u64,
    /// The board's name.
    pub board: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Its facts.
    pub facts: Facts,
    /// The hook.
    pub hook: Hook,
    /// lamp -> pattern
    pub lamps: HashMap<String, String>,
    /// What the DHCP server has said: `Answer::as_str`.
    pub dhcp_state: &'static str,
    /// What lldpd does: `State::as_str` of lldp.
    pub lldp_state: &'static str,
    /// Why the unit will restart, or empty.
    pub restart_pending: String,
}

/// What callers of the bus want.
pub enum Wish {
    /// Light a lamp.
    Lamp(String, LampPattern),
    /// Move the simulated handset.
    Handset(Hook),
    /// Press a simulated key.
    Key(String),
    /// Restart the unit.
    Restart,
    /// Put a folder in as the SD card, or take out what is in.
    Card(Option<PathBuf>),
    /// Put the LAN port's cable in or take it out, into a network that gives this address, if any.
    Cable(bool, Option<IpAddr>),
}

/// A wish with the place for its answer.
pub type Request = (Wish, oneshot::Sender<Result<(), HouseError>>);

/// The way from a handler to the driver and back.
#[derive(Clone)]
struct Desk(mpsc::Sender<Request>);

impl Desk {
    async fn ask(&self, wish: Wish) -> Result<(), HouseError> {
        let (answer, answered) = oneshot::channel();
        let gone = || HouseError::new(ErrorKind::ServiceUnavailable, "hal-agent is ending: try again in a second");
        self.0.send((wish, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// A word of a caller.
fn read<T: FromStr<Err = BoardWordError>>(word: &str) -> Result<T, HouseError> {
    word.parse().map_err(|error: BoardWordError| invalid(error.to_string()))
}

struct Hal {
    shown: watch::Receiver<Shown>,
    desk: Desk,
}

impl Hal {
    fn fact<T>(&self, of: impl Fn(&Shown) -> T) -> T {
        of(&self.shown.borrow())
    }
    fn or_unknown(&self, of: impl Fn(&Facts) -> &str) -> String {
        self.fact(|shown| Some(of(&shown.facts)).filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned())
    }
}

#[interface(name = "org.deskphone.Hal1")]
impl Hal {
    async fn set_lamp(&self, lamp: String, pattern: &str) -> Result<(), HouseError> {
        let pattern = read(pattern)?;
        self.desk.ask(Wish::Lamp(lamp, pattern)).await
    }
    async fn restart(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), HouseError> {
        service_kit::bus::caller_is_admin(bus, &header).await?;
        self.desk.ask(Wish::Restart).await
    }
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.fact(|shown| shown.epoch)
    }
    #[zbus(property)]
    fn board_name(&self) -> String {
        self.fact(|shown| shown.board.to_owned())
    }
    #[zbus(property)]
    fn model(&self) -> String {
        self.fact(|shown| shown.facts.model.clone())
    }
    #[zbus(property)]
    fn mac_address(&self) -> String {
        self.fact(|shown| shown.facts.mac_address.clone())
    }
    #[zbus(property)]
    fn firmware_version(&self) -> String {
        self.fact(|shown| shown.facts.firmware_version.clone())
    }
    #[zbus(property)]
    fn os_version(&self) -> String {
        self.fact(|shown| shown.facts.os_version.clone())
    }
    #[zbus(property)]
    fn hook(&self) -> String {
        self.fact(|shown| shown.hook.as_str().to_owned())
    }
    #[zbus(property)]
    fn lamps(&self) -> HashMap<String, String> {
        self.fact(|shown| shown.lamps.clone())
    }
    #[zbus(property)]
    fn keys(&self) -> Vec<String> {
        self.fact(|shown| shown.keys.iter().map(|key| (*key).to_owned()).collect())
    }
    #[zbus(property)]
    fn link_lan(&self) -> String {
        self.or_unknown(|facts| &facts.network.link_lan)
    }
    #[zbus(property)]
    fn link_pc(&self) -> String {
        self.or_unknown(|facts| &facts.network.link_pc)
    }
    #[zbus(property)]
    fn connection_mode(&self) -> String {
        self.or_unknown(|facts| &facts.network.connection_mode)
    }
    #[zbus(property)]
    fn address(&self) -> String {
        self.fact(|shown| shown.facts.network.address.clone())
    }
    #[zbus(property)]
    fn subnet_mask(&self) -> String {
        self.fact(|shown| shown.facts.network.subnet_mask.clone())
    }
    #[zbus(property)]
    fn gateway(&self) -> String {
        self.fact(|shown| shown.facts.network.gateway.clone())
    }
    #[zbus(property)]
    fn name_servers(&self) -> Vec<String> {
        self.fact(|shown| shown.facts.network.name_servers.clone())
    }
    #[zbus(property)]
    fn sd_card(&self) -> String {
        self.fact(|shown| shown.facts.sd_card.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
    #[zbus(property)]
    fn dhcp_state(&self) -> String {
        self.fact(|shown| shown.dhcp_state.to_owned())
    }
    #[zbus(property)]
    fn lldp_state(&self) -> String {
        self.fact(|shown| shown.lldp_state.to_owned())
    }
    #[zbus(property)]
    fn pc_port_vlan(&self) -> (u16, u8) {
        self.fact(|shown| shown.facts.network.pc_vlan.map_or((0, 0), |vlan| (vlan.id, vlan.priority)))
    }
    #[zbus(property)]
    fn clock_set(&self) -> bool {
        self.fact(|shown| shown.facts.clock_set)
    }
    #[zbus(property)]
    fn restart_pending(&self) -> String {
        self.fact(|shown| shown.restart_pending.clone())
    }
    #[zbus(signal)]
    async fn key(emitter: &SignalEmitter<'_>, name: &str, action: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;
}

struct Simulator {
    desk: Desk,
}

#[interface(name = "org.deskphone.Hal1.Simulator")]
impl Simulator {
    async fn set_hook(
        &self,
        position: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), HouseError> {
        service_kit::bus::caller_is_admin(bus, &header).await?;
        let position = read(position)?;
        self.desk.ask(Wish::Handset(position)).await
    }
    async fn press_key(
        &self,
        name: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), HouseError> {
        service_kit::bus::caller_is_admin(bus, &header).await?;
        self.desk.ask(Wish::Key(name)).await
    }
    async fn move_card(
        &self,
        folder: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), HouseError> {
        service_kit::bus::caller_is_admin(bus, &header).await?;
        self.desk.ask(Wish::Card(Some(folder).filter(|folder| !folder.is_empty()).map(PathBuf::from))).await
    }
    async fn move_cable(
        &self,
        link: &str,
        address: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), HouseError> {
        service_kit::bus::caller_is_admin(bus, &header).await?;
        let inserted = match link {
            "connected" => true,
            "disconnected" => false,
            _ => return Err(invalid(format!("\"{}\" is neither connected nor disconnected", shortened(link)))),
        };
        let no_address = |_| invalid(format!("\"{}\" is no IP address", shortened(address)));
        let address = Some(address).filter(|text| !text.is_empty()).map(|text| text.parse().map_err(no_address)).transpose()?;
        self.desk.ask(Wish::Cable(inserted, address)).await
    }
}

/// The served object.
pub struct Served {
    hal: InterfaceRef<Hal>,
    publish: watch::Sender<Shown>,
}

/// Serves the object, then takes the name, so that nobody meets the name without the object.
pub async fn serve(bus: &Connection, shown: Shown, simulated: bool, requests: mpsc::Sender<Request>) -> zbus::Result<Served> {
    let (publish, watched) = watch::channel(shown);
    let desk = Desk(requests);
    let server = bus.object_server();
    server.at(HAL_PATH, Hal { shown: watched, desk: desk.clone() }).await?;
    if simulated {
        server.at(HAL_PATH, Simulator { desk }).await?;
    }
    let hal = server.interface::<_, Hal>(HAL_PATH).await?;
    bus.request_name(HAL_NAME).await?;
    Ok(Served { hal, publish })
}

impl Served {
    /// What is shown now.
    pub fn shown(&self) -> Shown {
        self.publish.borrow().clone()
    }

    /// Shows the new facts and says which have changed.
    pub async fn show(&self, new: Shown) -> zbus::Result<()> {
        let old = self.publish.send_replace(new.clone());
        let hal = self.hal.get().await;
        let emitter = self.hal.signal_emitter();
        macro_rules! tell {
            ($($changed:expr => $signal:ident),* $(,)?) => { $(if $changed { hal.$signal(emitter).await?; })* };
        }
        let (was, is) = (&old.facts, &new.facts);
        tell!(
            old.hook != new.hook => hook_changed,
            old.lamps != new.lamps => lamps_changed,
            old.restart_pending != new.restart_pending => restart_pending_changed,
            old.dhcp_state != new.dhcp_state => dhcp_state_changed,
            old.lldp_state != new.lldp_state => lldp_state_changed,
            was.mac_address != is.mac_address => mac_address_changed,
            was.clock_set != is.clock_set => clock_set_changed,
            was.sd_card != is.sd_card => sd_card_changed,
            was.network.link_lan != is.network.link_lan => link_lan_changed,
            was.network.link_pc != is.network.link_pc => link_pc_changed,
            was.network.connection_mode != is.network.connection_mode => connection_mode_changed,
            was.network.address != is.network.address => address_changed,
            was.network.subnet_mask != is.network.subnet_mask => subnet_mask_changed,
            was.network.gateway != is.network.gateway => gateway_changed,
            was.network.name_servers != is.network.name_servers => name_servers_changed,
            was.network.pc_vlan != is.network.pc_vlan => pc_port_vlan_changed,
        );
        Ok(())
    }

    /// Sends the Key signal.
    pub async fn key(&self, name: &str, pressed: bool) -> zbus::Result<()> {
        let action = if pressed { "pressed" } else { "released" };
        Hal::key(self.hal.signal_emitter(), name, action, HashMap::new()).await
    }
}
