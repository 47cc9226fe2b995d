//! The schema as the text needs it: what statements exist where, in which order, with which help.
//!
//! libyang is the judge of validity; this is a plain index of the same modules for parsing, printing and completion,
//! because the text wants what libyang's bindings do not show: our extensions, enumerations with their help, ranges.
//! It is built from the module texts and a test holds it against libyang's own view. It understands what our modules
//! use (groupings, typedefs, augments, choices) and refuses a statement that would change the tree otherwise
//! (`deviation`, `refine`, `if-feature`), so that the two views cannot drift apart in silence.

mod build;
mod statement;

use crate::error::ModelError;
use crate::yang::Source;
use std::collections::HashMap;

/// A node of the schema. The order of identifiers is the canonical order of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(u32);

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Braces.
    Container,
    /// Braces after one or more keys.
    List,
    /// One value.
    Leaf,
    /// Several values.
    LeafList,
}

/// One value of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// As written.
    pub name: String,
    /// Help.
    pub description: String,
}

/// What a type is made of, as far as text and help need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// No value: the statement's presence says all.
    Empty,
    /// One of these.
    Enumeration(Vec<EnumValue>),
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// A string or anything else.
    Text,
    /// One of several types.
    Union(Vec<Type>),
    /// The name of an entry elsewhere, by a path.
    Leafref(String),
}

/// The type of a leaf or leaf-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// What it is made of.
    pub base: Base,
    /// `range` or `length`, as written.
    pub range: Option<String>,
    /// What a value is, with its article (`rv:expects`).
    pub expects: Option<String>,
    /// `units` of its typedef.
    pub units: Option<String>,
    /// The message of its pattern, if that has one.
    pub error_message: Option<String>,
}

/// A node of the schema.
#[derive(Debug, Clone)]
pub struct SchemaNode {
    /// The statement's name.
    pub name: String,
    /// The YANG module whose namespace it is in.
    pub module: String,
    /// What it is.
    pub kind: Kind,
    /// Help.
    pub description: String,
    /// The node around it; none for the root.
    pub parent: Option<SchemaId>,
    /// Children in canonical order, keys included; choices and cases are transparent.
    pub children: Vec<SchemaId>,
    /// The keys of a list.
    pub keys: Vec<SchemaId>,
    /// Whether a list's entries are named by key alone (`rv:unnamed`).
    pub unnamed: bool,
    /// Whether its children print on its line (`rv:oneline`).
    pub oneline: bool,
    /// Whether its value is a secret (`rv:secret`).
    pub secret: bool,
    /// Whether a container means something by its presence.
    pub presence: bool,
    /// Whether entries keep the order they were given in.
    pub user_ordered: bool,
    /// Whether the parent must have it.
    pub mandatory: bool,
    /// Default value.
    pub default: Option<String>,
    /// Why it may not stand where its `when` is false.
    pub when: Option<String>,
    /// Units of the value.
    pub units: Option<String>,
    /// The type of a leaf or leaf-list.
    pub value_type: Option<Type>,
    /// The choices it stands in, outermost first, with its case in each.
    pub cases: Vec<(u32, u32)>,
}

impl SchemaNode {
    /// Whether this is a leaf without a value.
    pub fn is_empty_leaf(&self) -> bool {
        matches!(&self.value_type, Some(t) if t.base == Base::Empty)
    }

    /// Whether it has children.
    pub fn is_inner(&self) -> bool {
        matches!(self.kind, Kind::Container | Kind::List)
    }

    /// The choice in which this node excludes `other`, if any.
    pub fn excludes(&self, other: &SchemaNode) -> bool {
        self.cases
            .iter()
            .any(|(choice, case)| other.cases.iter().any(|(c, k)| c == choice && k != case))
    }
}

/// All statements of the configuration.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<SchemaNode>,
    by_name: HashMap<(SchemaId, String), SchemaId>,
    choices: Vec<Choice>,
}

/// A choice of the schema, for the message that none of its cases is there.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name in YANG.
    pub name: String,
    /// The node around it.
    pub parent: SchemaId,
}

impl Schema {
    /// The node around the top statements.
    pub const ROOT: SchemaId = SchemaId(0);

    /// Builds the schema of `sources`.
    ///
    /// # Errors
    /// Names module and line of a statement that this reader does not understand.
    pub fn new(sources: &[Source]) -> Result<Self, ModelError> {
        build::build(sources)
    }

    /// A node.
    pub fn node(&self, id: SchemaId) -> &SchemaNode {
        // Identifiers come from this schema only; the root stands in for a foreign one.
        self.nodes.get(id.0 as usize).unwrap_or(&self.nodes[0])
    }

    /// The child statement `name` of `parent`; keys and unnamed lists are no statements.
    pub fn statement(&self, parent: SchemaId, name: &str) -> Option<SchemaId> {
        let id = self.child(parent, name)?;
        (!self.node(id).unnamed && !self.is_key(id)).then_some(id)
    }

    /// The child `name` of `parent`, keys and unnamed lists included.
    pub fn child(&self, parent: SchemaId, name: &str) -> Option<SchemaId> {
        self.by_name.get(&(parent, name.to_owned())).copied()
    }

    /// The unnamed list of `parent`.
    pub fn unnamed_list(&self, parent: SchemaId) -> Option<SchemaId> {
        let children = &self.node(parent).children;
        children.iter().copied().find(|c| self.node(*c).unnamed)
    }

    /// Whether `id` is a key of its list.
    pub fn is_key(&self, id: SchemaId) -> bool {
        self.node(id)
            .parent
            .is_some_and(|p| self.node(p).keys.contains(&id))
    }

    /// The statements under `parent` in canonical order.
    pub fn statements(&self, parent: SchemaId) -> impl Iterator<Item = SchemaId> + '_ {
        let children = self.node(parent).children.iter().copied();
        children.filter(|c| !self.node(*c).unnamed && !self.is_key(*c))
    }

    /// All nodes but the root, parents first.
    pub fn all(&self) -> impl Iterator<Item = SchemaId> + '_ {
        (1..self.nodes.len() as u32).map(SchemaId)
    }

    /// The names of the statements of choice `name` under `parent`.
    pub fn choice_members(&self, parent: SchemaId, name: &str) -> Vec<&str> {
        let found = self.choices.iter().enumerate();
        let numbers: Vec<u32> = found
            .filter(|(_, c)| c.parent == parent && c.name == name)
            .map(|(index, _)| index as u32)
            .collect();
        self.statements(parent)
            .map(|id| self.node(id))
            .filter(|n| n.cases.iter().any(|(choice, _)| numbers.contains(choice)))
            .map(|n| n.name.as_str())
            .collect()
    }

    /// The statement words from the top to `id`, without keys: `security ike proposal`.
    pub fn path(&self, id: SchemaId) -> String {
        let mut words = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at.filter(|id| *id != Self::ROOT) {
            let node = self.node(id);
            if !node.unnamed {
                words.push(node.name.as_str());
            }
            at = node.parent;
        }
        words.reverse();
        words.join(" ")
    }

    /// The node that a leafref of `leaf` points at, by its schema path.
    pub fn leafref_target(&self, leaf: SchemaId, path: &str) -> Option<SchemaId> {
        let mut at = if path.starts_with('/') {
            Self::ROOT
        } else {
            leaf
        };
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            let name = segment.rsplit(':').next().unwrap_or(segment);
            at = match name {
                ".." => self.node(at).parent?,
                name => self.child(at, name)?,
            };
        }
        Some(at)
    }
}

impl Type {
    /// What a value is, in words: `a number of 1..4094`, `group14, group19 or group31`.
    pub fn describe(&self) -> String {
        if let Some(expects) = &self.expects {
            return expects.clone();
        }
        let of_range = |what: &str, unit: &str| match &self.range {
            Some(range) => format!("{what} of {range}{unit}"),
            None => what.to_owned(),
        };
        match &self.base {
            Base::Empty => "no value".to_owned(),
            Base::Boolean => "true or false".to_owned(),
            Base::Number => of_range("a number", ""),
            Base::Text => of_range("a text", " octets"),
            Base::Enumeration(values) => any_of(values.iter().map(|v| v.name.as_str())),
            Base::Union(members) => {
                let members: Vec<String> = members.iter().map(Type::describe).collect();
                any_of(members.iter().map(String::as_str))
            }
            Base::Leafref(_) => "the name of an existing entry".to_owned(),
        }
    }

    /// The enumeration values it takes, those of union members included.
    pub fn enum_values(&self) -> Vec<&EnumValue> {
        match &self.base {
            Base::Enumeration(values) => values.iter().collect(),
            Base::Union(members) => members.iter().flat_map(Type::enum_values).collect(),
            _ => Vec::new(),
        }
    }
}

/// `a, b or c`.
pub(crate) fn any_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests;
