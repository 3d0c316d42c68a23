//! hal-agent: the board's facts and outputs on the bus. Wiring only.

use std::process::ExitCode;

mod board;
mod boards;
mod bus;
mod dhcp;
mod driver;
mod lldp;
mod pc_port;
mod restart;

const SERVICE: &str = "hal-agent";

fn main() -> ExitCode {
    service_kit::logging::init(SERVICE);
    let board = match board_name(std::env::args().skip(1)) {
        Ok(name) => name,
        Err(text) => {
            eprintln!("hal-agent: {text}");
            return ExitCode::from(phone_proto::errors::ErrorKind::InvalidArgument.exit_code());
        }
    };
    service_kit::process::run(SERVICE, driver::run(&board))
}

/// The argument of `--board`; `sim` is the only board of this version.
fn board_name(mut arguments: impl Iterator<Item = String>) -> Result<String, String> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--board"), Some(name), None) => Ok(name),
        _ => Err(format!("usage: hal-agent --board NAME, where NAME is one of: {}", boards::NAMES.join(", "))),
    }
}
