//! provisioning-agent: wiring. What it owns and serves is in README.md; what it does is in driver.rs.

use std::process::ExitCode;

use provisioning_agent::arguments::Arguments;
use provisioning_agent::driver::Driver;
use provisioning_agent::ledger::Ledger;
use provisioning_agent::provisioning::memory::Memory;
use provisioning_agent::provisioning::past::Past;
use provisioning_agent::service::SettingsService;
use provisioning_agent::{bus, command, presets};
use service_kit::peers::PeerTable;
use service_kit::settings_client::{OWNER, SOCKET};
use service_kit::{clock, environment, epoch, grpc, logging, notify, process, shutdown};
use tokio::sync::watch;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    logging::init(OWNER);
    process::run(OWNER, serve())
}

async fn serve() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args_os().skip(1))?;
    let presets = presets::read(&arguments.presets)?;
    let folder = environment::state_folder().ok_or("STATE_DIRECTORY is not set: there is no folder for the settings")?;
    let ledger = Ledger::open(&folder, &presets, epoch(), clock::wall())?;
    let (commands, received) = command::channel();
    let incoming = grpc::listen(OWNER, SOCKET)?;
    let (driver, facts, announcements) = Driver::new(ledger, Memory::open(&folder), Past::open(&folder), received);
    let service = SettingsService::new(commands.clone(), PeerTable::from_environment(), facts.clone());
    let (board, board_seen) = watch::channel(None);
    let (phone, phone_seen) = watch::channel(None);
    // Whoever waits for the settings gets them while the bus is still being connected.
    let on_the_bus = async {
        let connection = bus::serve(commands, facts, announcements).await?;
        notify::ready();
        tokio::try_join!(bus::follow_board(&connection, board), bus::follow_phone(&connection, phone)).map(drop)
    };
    tokio::select! {
        ended = driver.run(board_seen, phone_seen) => match ended {},
        ended = grpc::server().serve_with_incoming(service.into_server(), incoming) => ended?,
        ended = on_the_bus => ended?,
        () = shutdown::signal() => {}
    }
    Ok(())
}
