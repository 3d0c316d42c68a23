//! The table for the README.

use std::time::Duration;

use crate::Figures;

/// One line: what it is, its decimals, and how it is read.
type Row = (&'static str, usize, fn(&Figures) -> Option<f64>);

const ROWS: [Row; 13] = [
    ("first start to registered, ms (median)", 2, |of| median(&of.registered)),
    ("every later start to registered, ms (median)", 2, |of| median(&of.again)),
    ("INVITE to 180, ms (median)", 2, |of| median(&of.to_180)),
    ("INVITE to 200, answered by itself, ms (median)", 2, |of| median(&of.to_200)),
    ("memory of all processes at rest, PSS MB", 2, |of| Some(mega(of.at_rest.as_ref()?.pss_kib))),
    ("memory of all processes in a call, PSS MB", 2, |of| Some(mega(of.in_calls.as_ref()?.pss_kib))),
    ("processor per G.711 call, % of a core", 2, |of| Some(of.in_calls.as_ref()?.g711_percent)),
    ("processor per G.722 call, % of a core", 2, |of| Some(of.in_calls.as_ref()?.g722_percent)),
    ("wake-ups at rest, per second", 2, |of| Some(of.at_rest.as_ref()?.wake_ups)),
    ("call attempts per second without retransmission", 0, |of| Some(f64::from(of.held.as_ref()?.attempts))),
    ("of these rang (the others: busy), %", 0, |of| Some(of.held.as_ref()?.rang)),
    ("answered of 10,000 OPTIONS per second, %", 0, |of| of.held.as_ref()?.options_answered),
    ("memory grown by both loads, PSS MB", 2, |of| Some(of.held.as_ref()?.grown_kib as f64 / 1024.0)),
];

/// Prints the columns, and the first one's ratio to the second.
pub fn print(columns: &[(&str, Figures)]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    println!("\n| | {} | ratio to {} |", names.join(" | "), names.get(1).unwrap_or(&""));
    println!("|---|{}", "---:|".repeat(names.len() + 1));
    for (label, decimals, read) in ROWS {
        let values: Vec<Option<f64>> = columns.iter().map(|(_, figures)| read(figures)).collect();
        let cells: Vec<String> = values.iter().map(|value| cell(*value, decimals)).collect();
        let ratio = match values.as_slice() {
            [Some(ours), Some(theirs), ..] if *theirs > 0.0 => format!("{:.2}", ours / theirs),
            _ => "–".to_owned(),
        };
        println!("| {label} | {} | {ratio} |", cells.join(" | "));
    }
}

fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

fn mega(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn median(times: &[Duration]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).map(|time| time.as_secs_f64() * 1000.0)
}
