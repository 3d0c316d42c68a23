//! The catalogue against the guide's own text, where that lies beside the checkout (`shared/spec`). It is not part of this project, so
//! elsewhere nothing is compared here, and the test says so; `catalogue.rs` holds the same facts as tables.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use settings::catalogue::{self, ROWS};

/// Names that the scan has broken, as they stand in the lists (C9, C10, lost digits and letters).
const BROKEN: [(&str, &str); 3] =
    [("CODEC_ENABLE", "CODEC_ENABLEx_n"), ("CODEC_PRIORITY", "CODEC_PRIORITYx_n"), ("RTP_PTME", "RTP_PTIME")];

fn guide() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/spec");
    #[allow(clippy::disallowed_methods, reason = "a test reads its own files")]
    let entries = std::fs::read_dir(&folder).ok()?;
    let path = entries.flatten().map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("/001_"))?;
    #[allow(clippy::disallowed_methods, reason = "a test reads its own files")]
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.replace("\\_", "_"))
}

/// What stands between two headings.
fn section<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("no {from}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}

/// Words like SIP_SRC_PORT_n.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase())).collect()
}

fn family(name: &str) -> Option<&'static str> {
    let mended = BROKEN.iter().find(|(broken, _)| *broken == name).map_or(name, |(_, right)| right);
    let is_it = |row: &&settings::row::Row| row.name == mended || row.aliases.contains(&mended);
    ROWS.iter().find(is_it).map(|row| row.name).or_else(|| catalogue::parameter(mended).map(|parameter| parameter.row.name))
}

/// 5.1: every name of the list is a row, and every row of a configuration file stands in the list.
#[test]
fn the_parameter_list_of_the_guide_is_the_catalogue() {
    let Some(guide) = guide() else {
        println!("not compared: the guide's text is not here");
        return;
    };
    let list = section(&guide, "## 5.1 Configuration File Parameter List", "\n## 5.2");
    let listed = names(list);
    let unknown: Vec<_> = listed.iter().filter(|name| family(name).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let found: BTreeSet<_> = listed.iter().filter_map(|name| family(name)).collect();
    let rows: BTreeSet<_> = ROWS.iter().filter(|row| row.section.starts_with("5.")).map(|row| row.name).collect();
    assert_eq!(found, rows);
}

/// 2.4.4.2: every attribute of the XML table that the scan has left whole is the attribute of a row.
#[test]
fn the_xml_attributes_of_the_guide_are_those_of_the_catalogue() {
    let Some(guide) = guide() else {
        println!("not compared: the guide's text is not here");
        return;
    };
    let table = section(&guide, "2.4.4.2 XML Element/Attribute Configuration Parameter Table\n\nElement", "2.4.4.3");
    let attributes: BTreeSet<_> = ROWS.iter().filter_map(|row| row.xml).map(|xml| stem(xml.attribute)).collect();
    let cells = table.lines().filter_map(|line| line.split('\t').nth(1)).map(str::trim);
    let whole: Vec<_> = cells.filter(|cell| family(&in_file_notation(cell)).is_some()).collect();
    assert!(whole.len() > 180, "only {} attributes were read", whole.len());
    for cell in whole {
        assert!(attributes.contains(&stem(cell)), "{cell}");
    }
}

/// Without the marks of line, codec and button, which the scan writes in several ways.
fn stem(attribute: &str) -> String {
    let whole = attribute.replace(' ', "");
    whole.split('[').next().unwrap_or_default().trim_end_matches('_').to_owned()
}

/// SIP_SRC_PORT_[n] is SIP_SRC_PORT_n.
fn in_file_notation(cell: &str) -> String {
    cell.replace(['[', ']', ' '], "").replace("y_n", "x_n")
}
