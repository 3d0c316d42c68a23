//! phonectl: the phone for people at a shell and for scripts. It shows what is on the bus and asks the services; it must not
//! know any rule of telephony or settings of its own.

mod arguments;
mod board;
mod bus;
mod calls;
mod config;
mod failure;
mod json;
mod provisioning;
mod revisions;
mod settings;
mod show;
mod state;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, BoardVerb, ProvisionVerb, SettingsVerb, Verb};
use failure::Failure;
use show::Output;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(arguments.json);
    match run(arguments.verb, &mut output).await {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody may listen there either.
            let _ = writeln!(std::io::stderr(), "phonectl: {failure}");
            ExitCode::from(failure.kind().exit_code())
        }
    }
}

async fn run(verb: Verb, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Status => state::status(output).await,
        Verb::Lines => state::lines(output).await,
        Verb::Calls => state::calls(output).await,
        Verb::Watched => state::watched(output).await,
        Verb::Call { number, line } => calls::dial(output, &number, line).await,
        Verb::Mailbox { line } => calls::mailbox(output, line).await,
        Verb::Answer(which) => calls::answer(output, &which).await,
        Verb::Hangup(which) => calls::hangup(output, &which).await,
        Verb::Transfer { to_call: Some(other), which, .. } => calls::transfer_to(output, &other, &which).await,
        Verb::Transfer { number, to_call: None, which } => calls::transfer(output, &number.unwrap_or_default(), &which).await,
        Verb::Hold(which) => calls::hold(output, &which).await,
        Verb::Resume(which) => calls::resume(output, &which).await,
        Verb::Dtmf { digits, which } => calls::digits(output, &digits, &which).await,
        Verb::Flash(which) => calls::flash(output, &which).await,
        Verb::Settings(SettingsVerb::List) => settings::list(output),
        Verb::Settings(SettingsVerb::Get { name, reveal }) => settings::show(output, &name, reveal).await,
        Verb::Settings(SettingsVerb::Set { changes, expected }) => settings::set(output, &changes, expected).await,
        Verb::Settings(SettingsVerb::Explain { name }) => settings::explain(output, &name).await,
        Verb::Settings(SettingsVerb::Remove { layer, names, expected }) => {
            revisions::remove(output, &layer, &names, expected).await
        }
        Verb::Settings(SettingsVerb::History { limit }) => revisions::history(output, limit).await,
        Verb::Settings(SettingsVerb::Undo { expected }) => revisions::undo(output, expected).await,
        Verb::Reset { scope, yes } => revisions::reset(output, scope, yes).await,
        Verb::Restart { yes } => board::restart(output, yes).await,
        Verb::Config(verb) => config::run(verb, output).await,
        Verb::Provision(ProvisionVerb::Now) => provisioning::run_now(output).await,
        Verb::Provision(ProvisionVerb::Import { kind, file, card: false }) => {
            provisioning::import(output, kind.as_str(), &file).await
        }
        Verb::Provision(ProvisionVerb::Import { kind, file, card: true }) => {
            provisioning::import_from_card(output, kind.as_str(), &file).await
        }
        Verb::Provision(ProvisionVerb::Card) => provisioning::card(output).await,
        Verb::Provision(ProvisionVerb::Runs) => provisioning::runs(output).await,
        Verb::Board(BoardVerb::Card { folder }) => board::card(output, folder.as_deref()).await,
        Verb::Board(BoardVerb::Cable { link, address }) => board::cable(output, link, address).await,
        Verb::Board(BoardVerb::Hook { position }) => board::hook(output, position).await,
        Verb::Board(BoardVerb::Key { name }) => board::key(output, &name).await,
        Verb::Board(BoardVerb::Leds) => board::leds(output).await,
        Verb::Watch => watch::watch(output).await,
    }
}
