//! The one reader of header values: walks over text, never past its end, never into a character.

use crate::{Syntax, limits};

#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a str,
}

pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text }
    }
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    pub fn rest(&self) -> &'a str {
        self.rest
    }
    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }
    pub fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }
    pub fn eat(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
    pub fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        self.take(end)
    }
    /// Everything before `character`, which is eaten too; nothing happens when it does not come.
    pub fn take_until(&mut self, character: char) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(character)?;
        self.rest = after;
        Some(before)
    }
    pub fn skip(&mut self, length: usize) {
        self.take(length);
    }
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
    /// A quoted-string, without its quotes and escapes.
    pub fn quoted(&mut self) -> Result<String, Syntax> {
        if !self.eat('"') {
            return Err(Syntax("no quote"));
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.take(at.saturating_add(1));
                    return Ok(text);
                }
                '\\' => text.push(characters.next().ok_or(Syntax("quote without end"))?.1),
                other => text.push(other),
            }
        }
        Err(Syntax("quote without end"))
    }
}

/// Calls `each` for the elements of a comma-separated list; commas in quotes and in `<>` do not separate, empty
/// elements are skipped.
pub(crate) fn each_element<'a>(value: &'a str, mut each: impl FnMut(&'a str) -> Result<(), Syntax>) -> Result<(), Syntax> {
    let mut rest = value;
    let mut count = 0_usize;
    loop {
        let end = element_end(rest)?;
        let (element, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let element = element.trim_matches(is_blank);
        if !element.is_empty() {
            count = count.saturating_add(1);
            if count > limits::LIST {
                return Err(Syntax("list too long"));
            }
            each(element)?;
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(()),
        }
    }
}

/// The place of the comma that ends the first element, or the end.
pub(crate) fn element_end(text: &str) -> Result<usize, Syntax> {
    let mut quoted = false;
    let mut escaped = false;
    let mut bracket = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' => bracket = true,
            b'>' => bracket = false,
            b',' if !bracket => return Ok(at),
            _ => {}
        }
    }
    if quoted { Err(Syntax("quote without end")) } else { Ok(text.len()) }
}
