//! Where programs and the files of `lab/` are.

use std::path::{Path, PathBuf};

/// A program of ours: beside the folder of the running test.
pub fn ours(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>");
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins", path.display());
    path
}

/// A file of `tests/lab/`.
pub fn lab(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab").join(name)
}

/// A file of `tests/lab/` with its placeholders replaced.
pub fn filled(name: &str, values: &[(&str, &str)]) -> String {
    let path = lab(name);
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (placeholder, value) in values {
        text = text.replace(&format!("@{placeholder}@"), value);
    }
    assert!(!text.contains('@') || !text.split('@').any(|word| values.iter().any(|(name, _)| *name == word)));
    text
}
