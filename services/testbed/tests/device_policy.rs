//! The bus policy of the device in `systemd/dbus-1` is what house.toml says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::collections::BTreeMap;
use std::path::Path;

use testbed::house::House;
use testbed::policy::{self, Users};

/// Architecture 8. To write them anew: `phonelab policy systemd/dbus-1`.
#[test]
fn the_devices_policy_files_are_those_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/dbus-1");
    let there: BTreeMap<String, String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    let house = House::built_in().unwrap();
    let wanted: BTreeMap<String, String> = policy::files(&house, &Users::of_device(&house)).into_iter().collect();
    assert_eq!(there, wanted);
}
