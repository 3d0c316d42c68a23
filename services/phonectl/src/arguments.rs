//! The verbs. Help texts are the documentation of the tool.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The phone at the shell. The bus is that of DESKPHONE_BUS, else the system bus.
#[derive(Parser)]
#[command(name = "phonectl", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 2 wrong argument, 3 unknown parameter, 4 value or file refused, 5 changed by somebody \
else meanwhile, 6 not allowed, 7 no such call, 8 not in this state, 9 line not available, 10 not ready, 11 store failed, \
12 provisioning disabled, 13 service not on the bus, 14 busy, 15 denied by the dial plan, 70 defect";

#[derive(Subcommand)]
pub enum Verb {
    /// The phone at a glance
    Status,
    /// The six lines; SHARED is what the units of a shared line do with it
    Lines,
    /// The calls
    Calls,
    /// Whom the lines watch (resource lists), and what they do
    Watched,
    /// Call a number, as the dial plan of the line has it, or a SIP URI as it is
    Call {
        number: String,
        /// From this line; 0 is the first registered one
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=6))]
        line: u8,
    },
    /// Call the voice mail number of a line
    Mailbox {
        /// Of this line; 0 is the one with messages waiting, else the default line
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=6))]
        line: u8,
    },
    /// Answer the call that rings
    Answer(Which),
    /// End a call
    Hangup(Which),
    /// Put a call on hold
    Hold(Which),
    /// Talk again
    Resume(Which),
    /// Send digits into a call
    Dtmf {
        /// 0-9 A-D * #
        digits: String,
        #[command(flatten)]
        which: Which,
    },
    /// Tell the far end of a call that the hook was flashed
    Flash(Which),
    /// Have the far end of a call talk with somebody else: with NUMBER, or with the far end of another call
    Transfer {
        #[arg(required_unless_present = "to_call")]
        number: Option<String>,
        /// Identity of the other call, or its beginning or end; both must be answered
        #[arg(long, value_name = "ID", conflicts_with = "number")]
        to_call: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// What can be set, what is set, and why
    #[command(subcommand)]
    Settings(SettingsVerb),
    /// Reset settings or the whole phone
    Reset {
        scope: Scope,
        /// Do it without asking; needed where nobody can be asked
        #[arg(long)]
        yes: bool,
    },
    /// Configuration files
    #[command(subcommand)]
    Config(crate::config::ConfigVerb),
    /// Provisioning
    #[command(subcommand)]
    Provision(ProvisionVerb),
    /// Restart the unit, a call or not
    Restart {
        /// Without asking
        #[arg(long)]
        yes: bool,
    },
    /// The board
    #[command(subcommand)]
    Board(BoardVerb),
    /// Events as they come, until interrupted; with --json one object per line
    Watch,
}

/// Which call.
#[derive(Args)]
pub struct Which {
    /// Identity of the call, or its beginning or end; without it the only, else the newest call in a fitting state
    #[arg(long = "call", value_name = "ID")]
    pub call: Option<String>,
}

#[derive(Subcommand)]
pub enum SettingsVerb {
    /// Every parameter there is (works without a phone)
    List,
    /// The effective value
    Get {
        name: String,
        /// A secret in full, for an administrator; it is logged that it was asked
        #[arg(long)]
        reveal: bool,
    },
    /// Set values, all or none
    Set {
        /// NAME VALUE, or NAME=VALUE several times
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// Refuse if one of them was changed after this revision
        #[arg(long, default_value_t = 0)]
        expected: u64,
    },
    /// Where a value comes from: every layer, highest first, and why
    Explain { name: String },
    /// Take values out of one layer
    Remove {
        /// user, standard, product, master or pre-provisioning
        layer: String,
        #[arg(required = true)]
        names: Vec<String>,
        /// Refuse if one of them was changed after this revision
        #[arg(long, default_value_t = 0)]
        expected: u64,
    },
    /// The newest 50 commits, newest first: who changed what
    History {
        /// So many of them
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Take the newest commit back; again, and it is there again
    Undo {
        /// Refuse if the newest revision is another
        #[arg(long, default_value_t = 0)]
        expected: u64,
    },
}

#[derive(Subcommand)]
pub enum ProvisionVerb {
    /// Fetch the configuration files, wait, and show what came of it
    Now,
    /// Take a configuration file into the layer of its type; refused during a call. The unit restarts afterwards
    Import {
        kind: FileType,
        file: PathBuf,
        /// FILE is a name on the SD card in the unit, not on this computer
        #[arg(long)]
        card: bool,
    },
    /// The files on the SD card that can be imported
    Card,
    /// What the last runs did, newest first, those before a restart too
    Runs,
}

/// Which layer a file is for.
#[derive(Clone, Copy, ValueEnum)]
pub enum FileType {
    /// For this one unit
    Standard,
    /// For all units of its model
    Product,
    /// For all units
    Master,
}

impl FileType {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            FileType::Standard => "standard",
            FileType::Product => "product",
            FileType::Master => "master",
        }
    }
}

#[derive(Subcommand)]
pub enum BoardVerb {
    /// Lift the handset of the simulated board (off) or put it back (on)
    Hook { position: Hook },
    /// Put a folder of this computer into the simulated board as its SD card; without FOLDER take out what is in
    Card { folder: Option<PathBuf> },
    /// Put the LAN cable of the simulated board in (connected) or take it out (disconnected); with ADDRESS it has that one from then on
    Cable { link: Link, address: Option<IpAddr> },
    /// Press and release a key of the simulated board
    Key { name: String },
    /// The lamps
    Leds,
}

/// Where a cable is.
#[derive(Clone, Copy, ValueEnum)]
pub enum Link {
    /// In
    Connected,
    /// Out
    Disconnected,
}

impl Link {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Link::Connected => "connected",
            Link::Disconnected => "disconnected",
        }
    }
}

/// How much is reset.
#[derive(Clone, Copy, ValueEnum)]
pub enum Scope {
    /// Reset Web Settings: what was set by hand of everything with a field on the web page; the phone restarts, calls or not
    Web,
    /// IDs and passwords of the web page (#739)
    Accounts,
    /// Clear data and settings: every setting and every registered datum; installed extensions stay; the phone restarts
    Data,
    /// Reset to factory default: the same, and installed extensions; the phone restarts
    Factory,
}

/// The handset, in the field's words.
#[derive(Clone, Copy, ValueEnum)]
pub enum Hook {
    /// On the cradle
    On,
    /// Lifted
    Off,
}
