//! `phonelab up` runs the whole phone on this PC, `phonelab status` says where it is. Only arguments and exit codes are here.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::lab::{self, ExecArguments, LabError, Options, Place};

/// The whole phone on this PC.
#[derive(Parser)]
#[command(name = "phonelab")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start everything, stay in the foreground, and stop everything on Ctrl-C
    Up(Options),
    /// Print the READY line of the running lab
    Status(Place),
    /// Write the bus policy of the device, one file per service, into a folder
    Policy {
        /// Where to
        folder: std::path::PathBuf,
    },
    /// How the supervisor starts a service
    #[command(hide = true)]
    Exec(ExecArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Exec(arguments) => {
            let error = lab::exec(arguments);
            let _ = writeln!(std::io::stderr(), "phonelab: {error}");
            return ExitCode::from(127);
        }
        Verb::Up(options) => {
            service_kit::logging::init("phonelab");
            lab::up(options)
        }
        Verb::Status(place) => lab::Status::of_running(&place.state()).map(|status| println!("{}", status.line())),
        Verb::Policy { folder } => lab::write_policy(&folder),
    };
    outcome.map_or_else(|error| complain(&error), |()| ExitCode::SUCCESS)
}

fn complain(error: &LabError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "phonelab: {error}");
    ExitCode::from(error.kind().exit_code())
}
