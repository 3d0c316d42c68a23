//! The verbs of `phonectl config`. Help texts are the documentation of the tool.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with configuration files.
#[derive(Subcommand)]
pub enum ConfigVerb {
    /// Check configuration files as the phone would read them (works without a phone)
    ///
    /// Files given with --master, --product and --standard are also held against each other: which value would win, and what does
    /// not go together.
    Lint {
        /// Each for itself
        files: Vec<PathBuf>,
        #[command(flatten)]
        layered: Layered,
        #[command(flatten)]
        key: OptionalKey,
    },
    /// Write a plain file as XML, or an XML file as plain text; comments are lost (works without a phone)
    Convert {
        file: PathBuf,
        /// Without it: the other form
        #[arg(long, value_enum)]
        to: Option<FormName>,
        #[command(flatten)]
        output: Target,
        #[command(flatten)]
        key: OptionalKey,
    },
    /// A file that names every parameter with its default and changes nothing as it is (works without a phone)
    Template {
        #[arg(long, value_enum, default_value = "plain")]
        form: TemplateName,
        #[command(flatten)]
        output: Target,
    },
    /// What would be different on this phone if these files were its provisioning files
    Diff {
        #[command(flatten)]
        layered: Layered,
        #[command(flatten)]
        key: OptionalKey,
    },
    /// The settings of this phone as a configuration file; secrets stand in it masked, as comments
    Export {
        /// Those of one layer: user, standard, product, master, pre-provisioning, dealer or factory; without it what is in effect
        /// beside the factory defaults
        #[arg(long)]
        layer: Option<String>,
        #[arg(long, value_enum, default_value = "plain")]
        form: FormName,
        /// With the secrets; for administrators, and it is logged
        #[arg(long)]
        secrets: bool,
        #[command(flatten)]
        output: Target,
    },
    /// Encrypt a file, as `openssl enc` does (works without a phone)
    Encrypt {
        file: PathBuf,
        /// Which key of the phone it is for: the extension becomes .e1c, .e2c or .e3c
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        slot: u8,
        #[command(flatten)]
        key: Key,
        /// How the key is derived
        #[arg(long, value_enum, default_value = "sha256")]
        derivation: DerivationName,
        /// Where to; without it beside the file, with the extension of the slot
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Decrypt a file, whatever program encrypted it (works without a phone)
    Decrypt {
        file: PathBuf,
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        output: Target,
    },
}

/// Files by the layer that they are for.
#[derive(Args)]
pub struct Layered {
    /// The master file
    #[arg(long, value_name = "FILE")]
    pub master: Option<PathBuf>,
    /// The product file
    #[arg(long, value_name = "FILE")]
    pub product: Option<PathBuf>,
    /// The standard file
    #[arg(long, value_name = "FILE")]
    pub standard: Option<PathBuf>,
}

/// Where a file is written to.
#[derive(Args)]
pub struct Target {
    /// Without it: standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The key of an encrypted file.
#[derive(Args)]
pub struct Key {
    /// A file that holds the 32 characters of the key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// In bits
    #[arg(long, value_enum, default_value = "128")]
    pub length: LengthName,
}

/// The key of files that may be encrypted.
#[derive(Args)]
pub struct OptionalKey {
    /// For encrypted files: a file that holds the 32 characters of the key
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// In bits
    #[arg(long, value_enum, default_value = "128")]
    pub length: LengthName,
}

/// Of configuration files.
#[derive(Clone, Copy, ValueEnum)]
pub enum FormName {
    /// One NAME="value" per line
    Plain,
    /// XML
    Xml,
}

/// What a template is wanted of.
#[derive(Clone, Copy, ValueEnum)]
pub enum TemplateName {
    /// One NAME="value" per line
    Plain,
    /// XML
    Xml,
    /// UT670_config.xsd, for XML editors
    Schema,
}

/// Key lengths.
#[derive(Clone, Copy, ValueEnum)]
pub enum LengthName {
    #[value(name = "128")]
    Bits128,
    #[value(name = "192")]
    Bits192,
    #[value(name = "256")]
    Bits256,
}

/// Ways from the key string to the key.
#[derive(Clone, Copy, ValueEnum)]
pub enum DerivationName {
    /// As openssl enc -md sha256
    Sha256,
    /// As openssl enc -md md5, for old programs
    Md5,
    /// As openssl enc -pbkdf2
    Pbkdf2,
}
