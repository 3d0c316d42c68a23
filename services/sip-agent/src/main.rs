//! sip-agent's process. Wiring only; see README.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::logging::init("sip-agent");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(sip_agent::driver::run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "sip-agent ends");
            ExitCode::FAILURE
        }
    }
}
