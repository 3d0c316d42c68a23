//! Looks before anything is started whether the lab's addresses are free, so that the message names the option to change.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::error::LabError;
use super::options::Options;

/// Where the lab exchange listens.
pub const EXCHANGE: &str = "127.0.0.2:5060";
/// SIP_SRC_PORT_1 by default; a taken port of another line is that line's LastError.
const SIP_PORT: u16 = 5060;

/// Binds each address for a moment.
pub fn all_free(options: &Options) -> Result<(), LabError> {
    let web = SocketAddr::new(options.address, options.web_port);
    drop(TcpListener::bind(web).map_err(taken("the web page", web.to_string(), "; choose another with --web-port"))?);
    let sip = SocketAddr::new(options.address, SIP_PORT);
    drop(UdpSocket::bind(sip).map_err(taken(
        "the phone's SIP port",
        sip.to_string(),
        "; choose another address with --address",
    ))?);
    if !options.no_exchange {
        drop(UdpSocket::bind(EXCHANGE).map_err(taken(
            "the lab exchange",
            EXCHANGE.to_owned(),
            "; leave it out with --no-exchange",
        ))?);
    }
    Ok(())
}

fn taken(what: &'static str, address: String, hint: &'static str) -> impl FnOnce(std::io::Error) -> LabError {
    move |error| LabError::TakenPort { what, address, error, hint }
}
