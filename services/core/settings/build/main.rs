//! Makes the static tables of the crate from catalogue/*.toml: reads them, refuses inconsistent data with the row's name, and
//! writes Rust. It decides nothing about a phone; the point is that a wrong row is an error of the build and that the running
//! phone parses no catalogue.
#![allow(clippy::disallowed_methods, reason = "a build script reads files; the crate itself does not")]

mod check;
mod emit;
mod source;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=catalogue");
    println!("cargo:rerun-if-changed=build");
    let mut files: Vec<PathBuf> =
        fs::read_dir("catalogue")?.map(|entry| entry.map(|file| file.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut rows = Vec::new();
    for path in files {
        let file: source::File =
            toml::from_str(&fs::read_to_string(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        rows.extend(file.rows().map_err(|error| format!("{}: {error}", path.display()))?);
    }
    check::all(&rows)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("catalogue.rs");
    fs::write(out, emit::tables(&rows))?;
    Ok(())
}
