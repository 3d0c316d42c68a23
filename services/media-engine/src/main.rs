//! media-engine: audio devices, codecs, RTP, tones and ringing. Wiring only.

use std::process::ExitCode;

use media_engine::driver::{self, SERVICE};
use media_engine::options::Options;
use media_engine::pipeline::plugins;

fn main() -> ExitCode {
    plugins::without_registry();
    service_kit::logging::init(SERVICE);
    let sound = match Options::parse(std::env::args_os().skip(1)).and_then(Options::sound) {
        Ok(sound) => sound,
        Err(error) => {
            eprintln!("{SERVICE}: {error}");
            return ExitCode::from(phone_proto::errors::ErrorKind::InvalidArgument.exit_code());
        }
    };
    if let Err(error) = plugins::start() {
        tracing::error!(%error, "GStreamer does not start");
        return ExitCode::FAILURE;
    }
    service_kit::process::run(SERVICE, driver::run(sound))
}
