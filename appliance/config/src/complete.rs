//! What may stand next: for `?` and the Tab key. All of it comes from the model, and names of entries from the tree.

use crate::data::entry_names;
use crate::schema::{Base, Kind, Schema, SchemaId};
use crate::text::describe;
use crate::tree::Tree;

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// The name of a statement.
    Statement,
    /// A value, complete as it stands: of an enumeration, or the name of an entry.
    Value,
    /// Not a text to insert but a description of the value to be typed.
    Hint,
}

/// One thing that may stand next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word, or `<name>` for a hint.
    pub text: String,
    /// One line of help.
    pub help: String,
    /// What it is.
    pub kind: CandidateKind,
}

/// What may stand next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// In canonical order, those that begin with the partial word, and hints.
    pub candidates: Vec<Candidate>,
    /// Whether the words so far are a whole statement.
    pub complete: bool,
    /// The word that the model does not know, by its index in the words, if there is one.
    pub unknown: Option<usize>,
}

/// Where the words have led.
enum Place {
    /// Inside a container or list entry.
    Inside(SchemaId),
    /// Before key number `usize` of a list.
    Key(SchemaId, usize),
    /// Before the value of a leaf or leaf-list.
    Value(SchemaId),
    /// After a whole statement.
    End,
}

/// Completes the statement whose words so far are `words`, when the next one begins with `partial`.
///
/// `tree` gives the names of existing entries.
pub fn complete(schema: &Schema, tree: &Tree, words: &[&str], partial: &str) -> Completion {
    let mut place = Place::Inside(Schema::ROOT);
    for (index, word) in words.iter().enumerate() {
        place = match step(schema, place, word) {
            Some(place) => place,
            None => {
                return Completion {
                    unknown: Some(index),
                    ..Completion::default()
                };
            }
        };
    }
    let mut out = Completion::default();
    match place {
        Place::Inside(id) => {
            out.complete = !words.is_empty()
                && (schema.node(id).kind == Kind::List || schema.node(id).presence);
            for child in schema.statements(id) {
                let node = schema.node(child);
                out.candidates.push(Candidate {
                    text: node.name.clone(),
                    help: node.description.clone(),
                    kind: CandidateKind::Statement,
                });
            }
            if let Some(list) = schema.unnamed_list(id) {
                out.keys(schema, tree, list, 0);
            }
        }
        Place::Key(list, number) => out.keys(schema, tree, list, number),
        Place::Value(id) => out.values(schema, tree, id),
        Place::End => out.complete = true,
    }
    out.candidates
        .retain(|c| c.kind == CandidateKind::Hint || c.text.starts_with(partial));
    out
}

fn step(schema: &Schema, place: Place, word: &str) -> Option<Place> {
    let entered = |list: SchemaId, number: usize| {
        if number < schema.node(list).keys.len() {
            Place::Key(list, number)
        } else {
            Place::Inside(list)
        }
    };
    match place {
        Place::Inside(id) => match schema.statement(id, word) {
            Some(child) => Some(match schema.node(child).kind {
                Kind::Container => Place::Inside(child),
                Kind::List => entered(child, 0),
                Kind::Leaf if schema.node(child).is_empty_leaf() => Place::End,
                Kind::Leaf | Kind::LeafList => Place::Value(child),
            }),
            None => schema.unnamed_list(id).map(|list| entered(list, 1)),
        },
        Place::Key(list, number) => Some(entered(list, number + 1)),
        // Inside `[ ]` a leaf-list goes on.
        Place::Value(id) if word == "[" && schema.node(id).kind == Kind::LeafList => {
            Some(Place::Value(id))
        }
        Place::Value(_) => Some(Place::End),
        Place::End => None,
    }
}

impl Completion {
    fn push_names(&mut self, names: Vec<String>, help: &str) {
        self.candidates
            .extend(names.into_iter().map(|text| Candidate {
                text,
                help: help.to_owned(),
                kind: CandidateKind::Value,
            }));
    }

    fn hint(&mut self, schema: &Schema, id: SchemaId) {
        let node = schema.node(id);
        self.candidates.push(Candidate {
            text: format!("<{}>", node.name),
            help: format!("{}: {}", node.description, describe(schema, id)),
            kind: CandidateKind::Hint,
        });
    }

    fn keys(&mut self, schema: &Schema, tree: &Tree, list: SchemaId, number: usize) {
        let Some(key) = schema.node(list).keys.get(number) else {
            return;
        };
        if number == 0 {
            self.push_names(
                entry_names(schema, tree, list),
                &schema.node(list).description,
            );
        }
        self.values(schema, tree, *key);
    }

    fn values(&mut self, schema: &Schema, tree: &Tree, id: SchemaId) {
        let node = schema.node(id);
        let Some(of_type) = &node.value_type else {
            return;
        };
        let values = of_type.enum_values();
        let closed = matches!(of_type.base, Base::Enumeration(_) | Base::Boolean);
        for value in values {
            if !self.candidates.iter().any(|c| c.text == value.name) {
                self.candidates.push(Candidate {
                    text: value.name.clone(),
                    help: value.description.clone(),
                    kind: CandidateKind::Value,
                });
            }
        }
        if of_type.base == Base::Boolean {
            self.push_names(
                vec!["true".to_owned(), "false".to_owned()],
                &node.description,
            );
        }
        if let Base::Leafref(path) = &of_type.base {
            if let Some(list) = schema
                .leafref_target(id, path)
                .and_then(|t| schema.node(t).parent)
            {
                self.push_names(
                    entry_names(schema, tree, list),
                    &schema.node(list).description,
                );
            }
        }
        if !closed {
            self.hint(schema, id);
        }
    }
}

#[cfg(test)]
mod tests;
