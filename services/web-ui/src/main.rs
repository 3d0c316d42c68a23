//! web-ui: the web interface of the phone. Wiring only.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::logging::init("web-ui");
    service_kit::process::run("web-ui", web_ui::driver::run())
}
