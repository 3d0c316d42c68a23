//! `;name=value` lists of headers. Names compare without case; values are kept without their quotes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::text::{is_token_char, write_quoted};
use crate::{Syntax, limits};

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// As written.
    pub name: String,
    /// Without quotes and escapes; none for a flag.
    pub value: Option<String>,
    /// Whether it stands in quotes.
    pub quoted: bool,
}

/// Parameters in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(Vec<Param>);

impl Params {
    /// None.
    pub const fn new() -> Params {
        Params(Vec::new())
    }
    /// The value of the first parameter of that name; "" for a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|param| param.value.as_deref().unwrap_or_default())
    }
    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
    fn find(&self, name: &str) -> Option<&Param> {
        self.0.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }
    /// A number, where it is one.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
    /// Sets one, in quotes where its characters need them.
    pub fn set(&mut self, name: &str, value: impl fmt::Display) {
        let value = value.to_string();
        let quoted = value.is_empty() || !value.chars().all(|c| is_token_char(c) || matches!(c, '[' | ']' | ':' | '/'));
        self.put(Param { name: name.to_owned(), value: Some(value), quoted });
    }
    /// Sets one, in quotes.
    pub fn set_quoted(&mut self, name: &str, value: impl fmt::Display) {
        self.put(Param { name: name.to_owned(), value: Some(value.to_string()), quoted: true });
    }
    /// Sets a flag.
    pub fn set_flag(&mut self, name: &str) {
        self.put(Param { name: name.to_owned(), value: None, quoted: false });
    }
    fn put(&mut self, param: Param) {
        match self.0.iter_mut().find(|other| other.name.eq_ignore_ascii_case(&param.name)) {
            Some(place) => *place = param,
            None => self.0.push(param),
        }
    }
    /// Removes all of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|param| !param.name.eq_ignore_ascii_case(name));
    }
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.0.iter()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub(crate) fn push(&mut self, param: Param) -> Result<(), Syntax> {
        if self.0.len() >= limits::PARAMS {
            return Err(Syntax("too many parameters"));
        }
        self.0.push(param);
        Ok(())
    }

    /// Reads `;a=b;c` up to the end of the text.
    pub(crate) fn read_to_end(cursor: &mut Cursor<'_>) -> Result<Params, Syntax> {
        let mut params = Params::new();
        loop {
            cursor.skip_blanks();
            if cursor.is_empty() {
                return Ok(params);
            }
            if !cursor.eat(';') {
                return Err(Syntax("text after the value"));
            }
            cursor.skip_blanks();
            // `;;` and a final `;` are seen in the field.
            if cursor.is_empty() || cursor.peek() == Some(';') {
                continue;
            }
            params.push(Param::read(cursor)?)?;
        }
    }
}

impl Param {
    /// Reads `name`, `name=value` or `name="value"`, blanks around `=` allowed.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Param, Syntax> {
        let name = cursor.take_while(is_token_char);
        if name.is_empty() {
            return Err(Syntax("no parameter name"));
        }
        let name = name.to_owned();
        cursor.skip_blanks();
        if !cursor.eat('=') {
            return Ok(Param { name, value: None, quoted: false });
        }
        cursor.skip_blanks();
        if cursor.peek() == Some('"') {
            return Ok(Param { name, value: Some(cursor.quoted()?), quoted: true });
        }
        let value = cursor.take_while(|c| !matches!(c, ';' | ',' | ' ' | '\t' | '"' | '<' | '>'));
        Ok(Param { name, value: Some(value.to_owned()), quoted: false })
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.value {
            None => Ok(()),
            Some(value) if self.quoted => {
                f.write_str("=")?;
                write_quoted(value, f)
            }
            Some(value) => write!(f, "={value}"),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|param| write!(f, ";{param}"))
    }
}
