//! A configuration as a tree of statements: what a text says, before libyang has judged it, and what is printed.
//!
//! Siblings stand in canonical order: that of the schema, then natural order of keys (`ge-0/0/2` before `ge-0/0/10`)
//! or, where the model says `ordered-by user`, the order they were given in.

use crate::error::Pos;
use crate::schema::{Schema, SchemaId};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What tells a node from its siblings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildKey {
    /// Its statement.
    pub schema: SchemaId,
    /// The keys of a list entry, or the value of a leaf-list; none otherwise.
    pub keys: Vec<Natural>,
}

/// A node of the tree. It has no `Debug`, because its value may be a secret.
#[derive(Clone)]
pub struct Node {
    /// Where the text gave it first.
    pub pos: Option<Pos>,
    /// Whether it is to be ignored (`inactive:`), with all below it.
    pub inactive: bool,
    /// Value of a leaf or leaf-list; empty otherwise. Wiped on drop.
    pub value: Zeroizing<String>,
    /// Its rank among user-ordered siblings.
    pub order: u32,
    /// What stands below.
    pub children: BTreeMap<ChildKey, Node>,
}

/// A whole configuration: the node around the top statements.
#[derive(Clone, Default, PartialEq)]
pub struct Tree {
    /// The node around the top statements.
    pub root: Node,
}

impl Default for Node {
    fn default() -> Self {
        Node {
            pos: None,
            inactive: false,
            value: Zeroizing::new(String::new()),
            order: 0,
            children: BTreeMap::new(),
        }
    }
}

impl PartialEq for Node {
    /// Equal in meaning: places do not count, nor ranks beyond the order of siblings.
    fn eq(&self, other: &Self) -> bool {
        self.inactive == other.inactive
            && self.value == other.value
            && self.children == other.children
            && self.ranked() == other.ranked()
    }
}

impl Node {
    /// The children's keys in the order of their ranks.
    fn ranked(&self) -> Vec<&ChildKey> {
        let mut all: Vec<_> = self.children.iter().filter(|(_, n)| n.order > 0).collect();
        all.sort_by_key(|(_, n)| n.order);
        all.into_iter().map(|(k, _)| k).collect()
    }

    /// The child `key`, made at `pos` if absent.
    pub fn child(&mut self, schema: &Schema, key: ChildKey, pos: Option<Pos>) -> &mut Node {
        let rank = if schema.node(key.schema).user_ordered && !self.children.contains_key(&key) {
            let last = self.children.values().map(|n| n.order).max();
            last.unwrap_or(0).saturating_add(1)
        } else {
            0
        };
        self.children.entry(key).or_insert_with(|| Node {
            pos,
            order: rank,
            ..Node::default()
        })
    }

    /// The children that are instances of `schema`, in canonical order.
    pub fn instances(&self, schema: SchemaId) -> impl Iterator<Item = (&ChildKey, &Node)> {
        let first = ChildKey {
            schema,
            keys: Vec::new(),
        };
        let found = self.children.range(first..);
        let mut found: Vec<_> = found.take_while(|(key, _)| key.schema == schema).collect();
        found.sort_by_key(|(_, node)| node.order);
        found.into_iter()
    }
}

impl ChildKey {
    /// A container or leaf.
    pub fn single(schema: SchemaId) -> Self {
        ChildKey {
            schema,
            keys: Vec::new(),
        }
    }

    /// A list entry with these keys, or a leaf-list's one value.
    pub fn keyed<S: AsRef<str>>(schema: SchemaId, keys: impl IntoIterator<Item = S>) -> Self {
        let keys = keys.into_iter().map(|k| Natural(k.as_ref().to_owned()));
        ChildKey {
            schema,
            keys: keys.collect(),
        }
    }
}

/// A text whose runs of digits compare as numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Natural(pub String);

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (self.0.as_str(), other.0.as_str());
        while !a.is_empty() && !b.is_empty() {
            let (run_a, rest_a) = run(a);
            let (run_b, rest_b) = run(b);
            let order = match (number(run_a), number(run_b)) {
                (Some(x), Some(y)) => x.len().cmp(&y.len()).then(x.cmp(y)),
                _ => run_a.cmp(run_b),
            };
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        }
        // Equal as numbers but not as texts (`01` and `1`): still two texts.
        a.len().cmp(&b.len()).then_with(|| self.0.cmp(&other.0))
    }
}

/// Splits off the leading run of digits or of others.
fn run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits);
    text.split_at(end.unwrap_or(text.len()))
}

/// A run of digits without leading zeros.
fn number(run: &str) -> Option<&str> {
    let digits = run.starts_with(|c: char| c.is_ascii_digit());
    digits.then(|| run.trim_start_matches('0'))
}
