//! Writes an XML configuration file. Attributes of the lines that belong to one element stand on it together, as they do in files
//! of the field.

use std::fmt::Write;

use super::place::{ROOT, elements, id_of, numbered};
use crate::file::{Entry, MAGIC};

/// One element.
#[derive(Default)]
struct Node {
    name: String,
    id: Option<u8>,
    comments: Vec<String>,
    attributes: Vec<(&'static str, String)>,
    /// Nothing of it counts.
    inactive: bool,
    children: Vec<Node>,
}

impl Node {
    fn child(&mut self, name: String, id: Option<u8>, inactive: bool) -> Option<&mut Node> {
        let same = |child: &Node| child.name == name && child.id == id && child.inactive == inactive;
        if let Some(at) = self.children.iter().position(same) {
            return self.children.get_mut(at);
        }
        self.children.push(Node { name, id, inactive, ..Node::default() });
        self.children.last_mut()
    }

    fn add(&mut self, entry: &Entry<'_>) {
        let mut node = self;
        let places = elements(entry.parameter.row);
        for (depth, element) in places.iter().enumerate() {
            let inactive = !entry.active && depth + 1 == places.len();
            let (name, id) = (numbered(element, &entry.parameter), id_of(element, &entry.parameter));
            let Some(child) = node.child(name, id, inactive) else { return };
            node = child;
        }
        node.attributes.push((entry.parameter.name, entry.value.to_owned()));
        node.comments.extend(entry.comment.into_iter().flat_map(str::lines).map(str::to_owned));
    }

    fn render(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        for comment in &self.comments {
            // Writing to a String cannot fail.
            let _ = write!(text, "{indent}<!-- {} -->\r\n", comment.replace("--", "- -"));
        }
        let (begin, end) = if self.inactive { ("<!-- <", "/> -->\r\n") } else { ("<", "/>\r\n") };
        let _ = write!(text, "{indent}{begin}{}", self.name);
        if let Some(id) = self.id {
            let _ = write!(text, " ID=\"{id}\"");
        }
        for (name, value) in &self.attributes {
            let _ = write!(text, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() {
            text.push_str(end);
            return;
        }
        text.push_str(">\r\n");
        for child in &self.children {
            child.render(depth.saturating_add(1), text);
        }
        let _ = write!(text, "{indent}</{}>\r\n", self.name);
    }
}

/// A file with these settings; a comment stands before the element.
pub fn write<'v>(entries: impl IntoIterator<Item = Entry<'v>>) -> String {
    let mut root = Node { name: ROOT.to_owned(), ..Node::default() };
    for entry in entries {
        root.add(&entry);
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
