//! The ordered list of headers. Values are text as it stands after the colon, unfolded; the typed views are in `views`.
//!
//! Content-Length is never in a list that is written: `to_bytes` computes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::HeaderName;
use crate::text::one_line;

/// Headers in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<(HeaderName, String)>);

impl Headers {
    /// None.
    pub const fn new() -> Headers {
        Headers(Vec::new())
    }
    /// The first value of that name.
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&str> {
        let name = name.into();
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
    /// All values of that name, line by line.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> {
        let name = name.into();
        self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
    /// Whether there is one of that name.
    pub fn has(&self, name: impl Into<HeaderName>) -> bool {
        self.get(name).is_some()
    }
    /// Adds a line at the end. Line ends in the value become blanks.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl fmt::Display) {
        self.0.push((name.into(), clean(value)));
    }
    /// Adds a line above all others of its name; at the top where there is none.
    pub fn push_front(&mut self, name: impl Into<HeaderName>, value: impl fmt::Display) {
        let name = name.into();
        let place = self.0.iter().position(|(other, _)| *other == name).unwrap_or(0);
        self.0.insert(place, (name, clean(value)));
    }
    /// Sets the only line of that name, in the place of the first one there was.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl fmt::Display) {
        let name = name.into();
        let place = self.0.iter().position(|(other, _)| *other == name);
        self.remove(name.clone());
        let place = place.unwrap_or(self.0.len()).min(self.0.len());
        self.0.insert(place, (name, clean(value)));
    }
    /// Removes all lines of that name; says how many there were.
    pub fn remove(&mut self, name: impl Into<HeaderName>) -> usize {
        let name = name.into();
        let before = self.0.len();
        self.0.retain(|(other, _)| *other != name);
        before.saturating_sub(self.0.len())
    }
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.0.iter().map(|(name, value)| (name, value.as_str()))
    }
    /// Number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Adds all lines of that name of another list, in their order and at the end.
    pub fn copy(&mut self, name: impl Into<HeaderName>, from: &Headers) {
        let name = name.into();
        self.0.extend(from.0.iter().filter(|(other, _)| *other == name).cloned());
    }
    pub(crate) fn push_parsed(&mut self, name: HeaderName, value: String) {
        self.0.push((name, value));
    }
    /// Makes of the first line of that name what `change` says; nothing: it goes. False: there is no such line.
    pub(crate) fn change_first(&mut self, name: &HeaderName, change: impl FnOnce(&str) -> Option<String>) -> bool {
        let Some(place) = self.0.iter().position(|(other, _)| other == name) else { return false };
        let line = self.0.get_mut(place).map(|(_, value)| value);
        match line.and_then(|value| change(value).map(|changed| *value = changed)) {
            Some(()) => {}
            None => drop(self.0.remove(place)),
        }
        true
    }
}

fn clean(value: impl fmt::Display) -> String {
    let text = one_line(value.to_string());
    let trimmed = text.trim_matches(crate::cursor::is_blank);
    if trimmed.len() == text.len() { text } else { trimmed.to_owned() }
}
