//! The tree as text in canonical order: in braces as Junos prints it, or as `set` lines.

use super::HIDDEN;
use crate::schema::{Kind, Schema, SchemaId, SchemaNode};
use crate::tree::{ChildKey, Node, Tree};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Octets of one level of indentation.
const INDENT: usize = 4;

/// Whether secrets are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// In full, to be stored and read back.
    Show,
    /// As `<hidden>`, which is refused when read back.
    Hide,
}

/// Prints in braces. The text is wiped on drop, as it may hold secrets.
pub fn print_braces(schema: &Schema, tree: &Tree, secrets: Secrets) -> Zeroizing<String> {
    let mut printer = Printer {
        schema,
        secrets,
        out: Zeroizing::new(String::new()),
    };
    printer.children(&tree.root, 0, "");
    printer.out
}

/// Prints `set` and `deactivate` lines.
pub fn print_set(schema: &Schema, tree: &Tree, secrets: Secrets) -> Zeroizing<String> {
    let mut printer = Printer {
        schema,
        secrets,
        out: Zeroizing::new(String::new()),
    };
    printer.set_children(&tree.root, "");
    printer.out
}

struct Printer<'a> {
    schema: &'a Schema,
    secrets: Secrets,
    out: Zeroizing<String>,
}

/// The children of a node, each leaf-list's active values together.
enum Group<'n> {
    One(&'n ChildKey, &'n Node),
    Values(SchemaId, Vec<&'n Node>),
}

impl Printer<'_> {
    fn groups<'n>(&self, node: &'n Node) -> Vec<Group<'n>> {
        let mut groups: Vec<Group<'n>> = Vec::new();
        let mut last = None;
        for key in node.children.keys() {
            if last.replace(key.schema) == Some(key.schema) {
                continue;
            }
            let all: Vec<_> = node.instances(key.schema).collect();
            if self.schema.node(key.schema).kind != Kind::LeafList {
                groups.extend(all.into_iter().map(|(k, n)| Group::One(k, n)));
                continue;
            }
            let (inactive, active): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|(_, n)| n.inactive);
            if !active.is_empty() {
                let active = active.into_iter().map(|(_, n)| n).collect();
                groups.push(Group::Values(key.schema, active));
            }
            groups.extend(inactive.into_iter().map(|(k, n)| Group::One(k, n)));
        }
        groups
    }

    fn children(&mut self, node: &Node, depth: usize, prefix: &str) {
        for group in self.groups(node) {
            self.group(&group, depth, prefix);
        }
    }

    fn group(&mut self, group: &Group<'_>, depth: usize, prefix: &str) {
        let indent = " ".repeat(depth * INDENT);
        match group {
            Group::Values(id, nodes) => {
                let schema = self.schema.node(*id);
                let words: Vec<String> = nodes.iter().map(|n| quote(&n.value)).collect();
                let value = match words.as_slice() {
                    [one] => one.clone(),
                    many => format!("[ {} ]", many.join(" ")),
                };
                self.line(format_args!("{indent}{prefix}{} {value};", schema.name));
            }
            Group::One(key, node) => {
                let schema = self.schema.node(key.schema);
                let inactive = if node.inactive { "inactive: " } else { "" };
                let head = format!("{prefix}{}", head(schema, key));
                if schema.is_inner() {
                    return self.inner(schema, node, depth, &format!("{inactive}{head}"));
                }
                let (value, mark) = self.value(schema, node);
                let mark = if mark { " ## SECRET-DATA" } else { "" };
                let value = Zeroizing::new(if value.is_empty() {
                    String::new()
                } else {
                    format!(" {}", value.as_str())
                });
                self.line(format_args!(
                    "{indent}{inactive}{head}{};{mark}",
                    value.as_str()
                ));
            }
        }
    }

    fn inner(&mut self, schema: &SchemaNode, node: &Node, depth: usize, head: &str) {
        let indent = " ".repeat(depth * INDENT);
        let groups = self.groups(node);
        let plain = |g: &Group<'_>| !matches!(g, Group::One(_, n) if n.inactive);
        if groups.is_empty() {
            // A container that means nothing by its presence says nothing when it is empty.
            if schema.presence || schema.kind == Kind::List {
                self.line(format_args!("{indent}{head};"));
            }
        } else if schema.oneline
            && groups.iter().all(plain)
            && match schema.kind {
                Kind::List => groups.len() == 1,
                _ => !node.inactive,
            }
        {
            let prefix = format!("{head} ");
            for group in &groups {
                self.group(group, depth, &prefix);
            }
        } else {
            self.line(format_args!("{indent}{head} {{"));
            for group in &groups {
                self.group(group, depth + 1, "");
            }
            self.line(format_args!("{indent}}}"));
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{text}");
    }

    /// The printed value of a leaf, and whether it is a secret.
    fn value(&self, schema: &SchemaNode, node: &Node) -> (Zeroizing<String>, bool) {
        let text = match (schema.secret, self.secrets) {
            _ if schema.is_empty_leaf() => String::new(),
            (true, Secrets::Hide) => HIDDEN.to_owned(),
            (true, Secrets::Show) => quoted(&node.value),
            (false, _) => quote(&node.value),
        };
        (Zeroizing::new(text), schema.secret)
    }

    fn set_children(&mut self, node: &Node, prefix: &str) {
        let mut last = None;
        for key in node.children.keys() {
            if last.replace(key.schema) == Some(key.schema) {
                continue;
            }
            for (key, child) in node.instances(key.schema) {
                self.set_node(key, child, prefix);
            }
        }
    }

    fn set_node(&mut self, key: &ChildKey, node: &Node, prefix: &str) {
        let schema = self.schema.node(key.schema);
        let path = format!("{prefix} {}", head(schema, key));
        let mut whole = path.clone();
        if schema.is_inner() {
            if node.children.is_empty() && (schema.presence || schema.kind == Kind::List) {
                self.line(format_args!("set{path}"));
            }
            self.set_children(node, &path);
        } else {
            let (value, mark) = self.value(schema, node);
            let mark = if mark { " ## SECRET-DATA" } else { "" };
            let space = if value.is_empty() { "" } else { " " };
            self.line(format_args!("set{path}{space}{}{mark}", value.as_str()));
            if schema.kind == Kind::LeafList {
                whole = format!("{path} {}", value.as_str());
            }
        }
        if node.inactive {
            self.line(format_args!("deactivate{whole}"));
        }
    }
}

/// The words of a statement up to its value or brace.
fn head(schema: &SchemaNode, key: &ChildKey) -> String {
    let mut words = Vec::new();
    if !schema.unnamed {
        words.push(schema.name.clone());
    }
    if schema.kind == Kind::List {
        words.extend(key.keys.iter().map(|k| quote(&k.0)));
    }
    words.join(" ")
}

/// A word as it can be read back: in quotes only if it must be.
fn quote(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || c.is_control() || "{};[]\"".contains(c);
    let opens = word.starts_with('#') || word.starts_with("/*");
    if word.is_empty() || opens || word.contains(special) || word == "inactive:" || word == HIDDEN {
        quoted(word)
    } else {
        word.to_owned()
    }
}

fn quoted(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for c in word.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
