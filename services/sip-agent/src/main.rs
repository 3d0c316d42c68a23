//! sip-agent's process. Wiring only; see README.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::logging::init("sip-agent");
    service_kit::process::run("sip-agent", sip_agent::driver::run())
}
