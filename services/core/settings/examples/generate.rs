//! Writes generated/ anew from the catalogue: `cargo run -p settings --example generate`.
#![allow(clippy::disallowed_methods, reason = "it writes files; the crate itself does not")]

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in settings::document::all() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
