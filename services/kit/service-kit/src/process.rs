//! A service's life from logging to exit code: the same for every service, so that its `main.rs` is its wiring alone.

use std::fmt::Display;
use std::process::ExitCode;

/// Runs a service to its end on a runtime of one thread, because a phone has little memory for stacks. How it ended is
/// logged, and is the exit code by which the supervisor knows a failure. Logging has been started.
pub fn run<E: Display>(service: &'static str, life: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(life) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "{service} ends");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    #[test]
    fn the_exit_code_says_whether_the_service_failed() {
        assert_eq!(super::run("a service", async { Ok::<(), &str>(()) }), ExitCode::SUCCESS);
        assert_eq!(super::run("a service", async { Err("the bus is gone") }), ExitCode::FAILURE);
    }
}
