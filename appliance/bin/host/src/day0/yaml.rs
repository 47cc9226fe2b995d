//! The YAML that day 0 reads: one document of mappings, sequences and texts, each with its line.
//!
//! Every scalar is a text, whatever it looks like. Anchors, aliases (which let a short file grow without end), tags and further
//! documents are refused, as is a key that is given twice. `saphyr-parser` does the reading; its own texts are not wiped.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::fault::Fault;

/// Nodes of a document: hundreds of keys.
const MAX_NODES: usize = 4096;
/// Nesting; nothing that is understood lies deeper than 4.
const MAX_NESTING: usize = 16;

/// A value and where it begins.
pub struct Node {
    /// Its line, from 1.
    pub line: u32,
    /// What it is.
    pub value: Value,
}

/// A value.
pub enum Value {
    /// A text. `lines_from` is the line of its first one in the file, if its lines are lines of the file (a `|` block).
    Text {
        /// The text.
        text: String,
        /// See above.
        lines_from: Option<u32>,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in its order.
    Mapping(Vec<Entry>),
}

/// A key and its value.
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: u32,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// What is being read: a sequence or mapping that has not ended.
enum Open {
    Sequence(u32, Vec<Node>),
    Mapping(u32, Vec<Entry>, Option<(String, u32)>),
}

/// Reads `text`; `None` if there is nothing in it.
///
/// # Errors
/// The first fault, with its line.
pub fn read(text: &str) -> Result<Option<Node>, Fault> {
    let mut parser = Parser::new_from_str(text);
    let (mut open, mut root, mut nodes): (Vec<Open>, _, _) = (Vec::new(), None, 0usize);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let line = error.marker().line();
            Fault::at(line, format!("not YAML: {}", error.info()))
        })?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        let fault = |message: &str| Err(Fault::at(line as usize, message));
        let done = match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if root.is_some() => return fault("a second document"),
            Event::Alias(_) => return fault("aliases (`*`) are not accepted"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return fault("anchors (`&`) are not accepted");
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return fault("tags (`!`) are not accepted"),
            Event::Scalar(text, style, ..) => {
                let lines_from = (style == ScalarStyle::Literal).then(|| first_line(&text, line));
                let text = text.into_owned();
                Some(Node {
                    line,
                    value: Value::Text { text, lines_from },
                })
            }
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(line, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(Open::close),
            _ => None,
        };
        nodes += usize::from(done.is_some());
        if open.len() > MAX_NESTING || nodes > MAX_NODES {
            return fault("nested too deeply, or too many values");
        }
        if let Some(node) = done {
            match open.last_mut() {
                Some(around) => around.add(node)?,
                None => root = Some(node),
            }
        }
    }
    Ok(root)
}

/// Where the first line of a `|` block stands: the parser marks the first that is not empty.
fn first_line(text: &str, line: u32) -> u32 {
    let empty = text.bytes().take_while(|octet| *octet == b'\n').count();
    line.saturating_sub(u32::try_from(empty).unwrap_or(u32::MAX))
}

impl Open {
    fn close(self) -> Node {
        match self {
            Open::Sequence(line, nodes) => Node {
                line,
                value: Value::Sequence(nodes),
            },
            Open::Mapping(line, entries, _) => Node {
                line,
                value: Value::Mapping(entries),
            },
        }
    }

    fn add(&mut self, node: Node) -> Result<(), Fault> {
        match self {
            Open::Sequence(_, nodes) => nodes.push(node),
            Open::Mapping(_, entries, key) => match (key.take(), node.value) {
                (Some((key, line)), value) => {
                    let value = Node {
                        line: node.line,
                        value,
                    };
                    entries.push(Entry { key, line, value });
                }
                (None, Value::Text { text, .. }) => {
                    if entries.iter().any(|entry| entry.key == text) {
                        let message = format!("`{text}` is given twice");
                        return Err(Fault::at(node.line as usize, message));
                    }
                    *key = Some((text, node.line));
                }
                (None, _) => {
                    return Err(Fault::at(node.line as usize, "a key that is not a word"));
                }
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
