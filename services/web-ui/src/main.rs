//! web-ui: the web interface of the phone. Wiring only.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::logging::init("web-ui");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(web_ui::driver::run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "web-ui ends");
            ExitCode::FAILURE
        }
    }
}
