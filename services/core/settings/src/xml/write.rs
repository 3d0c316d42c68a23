//! Writes an XML configuration file. Attributes of the lines that belong to one element stand on it together, as they do in files
//! of the field.

use std::fmt::Write;

use super::place::{ROOT, elements, id_of, numbered};
use crate::catalogue::Parameter;
use crate::file::MAGIC;

/// One element.
#[derive(Default)]
struct Node {
    name: String,
    id: Option<u8>,
    comments: Vec<String>,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

impl Node {
    fn child(&mut self, name: String, id: Option<u8>) -> Option<&mut Node> {
        if let Some(at) = self.children.iter().position(|child| child.name == name && child.id == id) {
            return self.children.get_mut(at);
        }
        self.children.push(Node { name, id, ..Node::default() });
        self.children.last_mut()
    }

    fn add(&mut self, parameter: &Parameter, value: &str, comment: Option<&str>) {
        let mut node = self;
        for element in elements(parameter.row) {
            let Some(child) = node.child(numbered(element, parameter), id_of(element, parameter)) else { return };
            node = child;
        }
        node.attributes.push((parameter.name, value.to_owned()));
        node.comments.extend(comment.map(str::to_owned));
    }

    fn render(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        for comment in &self.comments {
            // Writing to a String cannot fail.
            let _ = write!(text, "{indent}<!-- {} -->\r\n", comment.replace("--", "- -"));
        }
        let _ = write!(text, "{indent}<{}", self.name);
        if let Some(id) = self.id {
            let _ = write!(text, " ID=\"{id}\"");
        }
        for (name, value) in &self.attributes {
            let _ = write!(text, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() {
            text.push_str("/>\r\n");
            return;
        }
        text.push_str(">\r\n");
        for child in &self.children {
            child.render(depth.saturating_add(1), text);
        }
        let _ = write!(text, "{indent}</{}>\r\n", self.name);
    }
}

/// A file with these values; a comment stands before the element of its parameter. The values are written as they are given.
pub fn write<'v>(settings: impl IntoIterator<Item = (Parameter, &'v str, Option<&'v str>)>) -> String {
    let mut root = Node { name: ROOT.to_owned(), ..Node::default() };
    for (parameter, value, comment) in settings {
        root.add(&parameter, value, comment);
    }
    let mut text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- {MAGIC} -->\r\n");
    root.render(0, &mut text);
    text
}

/// B102.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '"' => text.push_str("&quot;"),
            '&' => text.push_str("&amp;"),
            '\'' => text.push_str("&apos;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
    text
}
