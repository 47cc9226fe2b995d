//! From YANG statements to the schema: typedefs, groupings and augments resolved, choices made transparent.

use super::statement::{self, Statement};
use super::{Base, Choice, EnumValue, Kind, Schema, SchemaId, SchemaNode, Type};
use crate::error::ModelError;
use crate::yang::Source;
use std::collections::HashMap;

/// Deepest chain of typedefs and groupings.
const MAX_INDIRECTIONS: usize = 16;

/// Statements that carry no structure of the tree.
const PLAIN: &[&str] = &[
    "yang-version",
    "namespace",
    "prefix",
    "organization",
    "contact",
    "description",
    "reference",
    "revision",
    "import",
    "typedef",
    "grouping",
    "extension",
    "identity",
    "key",
    "unique",
    "must",
    "when",
    "presence",
    "config",
    "status",
    "mandatory",
    "default",
    "units",
    "type",
    "ordered-by",
    "min-elements",
    "max-elements",
    "notification",
    "rpc",
    "feature",
];

struct Module {
    name: String,
    prefixes: HashMap<String, String>,
    top: Statement,
}

struct Builder {
    modules: Vec<Module>,
    schema: Schema,
}

/// Where the statements being expanded come from and go to.
#[derive(Clone)]
struct Place {
    /// The module whose prefixes, typedefs and groupings apply.
    home: usize,
    /// The module whose namespace the nodes get.
    namespace: usize,
    parent: SchemaId,
    cases: Vec<(u32, u32)>,
    depth: usize,
}

pub(super) fn build(sources: &[Source]) -> Result<Schema, ModelError> {
    let modules = sources.iter().map(|(name, text)| module(name, text));
    let root = SchemaNode::inner("", "", Kind::Container);
    let mut builder = Builder {
        modules: modules.collect::<Result<_, _>>()?,
        schema: Schema {
            nodes: vec![root],
            by_name: HashMap::new(),
            choices: Vec::new(),
        },
    };
    for home in 0..builder.modules.len() {
        let subs = builder.modules[home].top.subs.clone();
        let place = Place {
            home,
            namespace: home,
            parent: Schema::ROOT,
            cases: Vec::new(),
            depth: 0,
        };
        builder.expand(&subs, &place)?;
    }
    Ok(builder.schema)
}

fn module(name: &str, text: &str) -> Result<Module, ModelError> {
    let top = statement::read(name, text)?;
    let mut prefixes = HashMap::new();
    if let Some(own) = top.arg_of("prefix") {
        prefixes.insert(own.to_owned(), name.to_owned());
    }
    for import in top.subs.iter().filter(|s| s.keyword == "import") {
        if let Some(prefix) = import.arg_of("prefix") {
            prefixes.insert(prefix.to_owned(), import.arg.clone());
        }
    }
    Ok(Module {
        name: name.to_owned(),
        prefixes,
        top,
    })
}

impl SchemaNode {
    fn inner(name: &str, module: &str, kind: Kind) -> Self {
        SchemaNode {
            name: name.to_owned(),
            module: module.to_owned(),
            kind,
            description: String::new(),
            parent: None,
            children: Vec::new(),
            keys: Vec::new(),
            unnamed: false,
            oneline: false,
            secret: false,
            presence: false,
            user_ordered: false,
            mandatory: false,
            default: None,
            when: None,
            units: None,
            value_type: None,
            cases: Vec::new(),
        }
    }
}

impl Builder {
    fn error(&self, home: usize, at: &Statement, message: impl Into<String>) -> ModelError {
        ModelError::Yang {
            module: self.modules[home].name.clone(),
            line: at.line,
            message: message.into(),
        }
    }

    /// Adds the data nodes among `subs` under `place`.
    fn expand(&mut self, subs: &[Statement], place: &Place) -> Result<(), ModelError> {
        if place.depth > MAX_INDIRECTIONS {
            let module = self.modules[place.home].name.clone();
            return Err(ModelError::Yang {
                module,
                line: 0,
                message: "groupings nested too deeply".to_owned(),
            });
        }
        for sub in subs {
            match sub.keyword.as_str() {
                "container" => self.add(sub, Kind::Container, place)?,
                "list" => self.add(sub, Kind::List, place)?,
                "leaf" => self.add(sub, Kind::Leaf, place)?,
                "leaf-list" => self.add(sub, Kind::LeafList, place)?,
                "choice" => self.choice(sub, place)?,
                "uses" => self.uses(sub, place)?,
                "augment" => self.augment(sub, place)?,
                keyword if PLAIN.contains(&keyword) || keyword.contains(':') => {}
                keyword => {
                    return Err(self.error(
                        place.home,
                        sub,
                        format!("`{keyword}` is not supported"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Statement, place: &Place) -> Result<(), ModelError> {
        let number = self.schema.choices.len() as u32;
        self.schema.choices.push(Choice {
            name: choice.arg.clone(),
            parent: place.parent,
        });
        self.alternatives(choice, (number, 0), place)
    }

    /// Adds the cases under a choice, by their numbers from `first` on.
    fn alternatives(
        &mut self,
        from: &Statement,
        (choice, first): (u32, u32),
        place: &Place,
    ) -> Result<(), ModelError> {
        for (case, sub) in (first..).zip(&from.subs) {
            let mut inside = place.clone();
            inside.cases.push((choice, case));
            match sub.keyword.as_str() {
                "case" => self.expand(&sub.subs, &inside)?,
                _ => self.expand(std::slice::from_ref(sub), &inside)?,
            }
        }
        Ok(())
    }

    fn uses(&mut self, uses: &Statement, place: &Place) -> Result<(), ModelError> {
        if let Some(sub) = uses.sub("refine").or(uses.sub("augment")) {
            return Err(self.error(place.home, sub, "`uses` with changes is not supported"));
        }
        let found = self.definition(place.home, "grouping", &uses.arg);
        let (home, grouping) = found
            .ok_or_else(|| self.error(place.home, uses, format!("no grouping `{}`", uses.arg)))?;
        let mut inside = place.clone();
        inside.home = home;
        inside.depth += 1;
        self.expand(&grouping.subs, &inside)
    }

    fn augment(&mut self, augment: &Statement, place: &Place) -> Result<(), ModelError> {
        let mut inside = place.clone();
        for segment in augment.arg.split('/').filter(|s| !s.is_empty()) {
            let name = segment.rsplit(':').next().unwrap_or(segment);
            let Some(child) = self.schema.child(inside.parent, name) else {
                let end = self.end_of_choice(inside.parent, name).ok_or_else(|| {
                    self.error(place.home, augment, format!("no node `{name}` to augment"))
                })?;
                return self.alternatives(augment, end, &inside);
            };
            inside.parent = child;
        }
        self.expand(&augment.subs, &inside)
    }

    /// The number of a choice, and of the next case in it.
    fn end_of_choice(&self, parent: SchemaId, name: &str) -> Option<(u32, u32)> {
        let mut choices = self.schema.choices.iter();
        let choice = choices.position(|c| c.name == name && c.parent == parent)? as u32;
        let cases = self.schema.nodes.iter().flat_map(|node| &node.cases);
        let last = cases.filter(|case| case.0 == choice).map(|case| case.1);
        Some((choice, last.max().map_or(0, |last| last + 1)))
    }

    fn add(&mut self, from: &Statement, kind: Kind, place: &Place) -> Result<(), ModelError> {
        if let Some(sub) = from.sub("if-feature") {
            return Err(self.error(place.home, sub, "`if-feature` is not supported"));
        }
        let mut node = SchemaNode::inner(&from.arg, &self.modules[place.namespace].name, kind);
        node.description = from.description();
        node.parent = Some(place.parent);
        node.unnamed = self.has_extension(place.home, from, "unnamed");
        node.oneline = self.has_extension(place.home, from, "oneline");
        node.secret = self.has_extension(place.home, from, "secret");
        node.presence = from.sub("presence").is_some();
        node.user_ordered = from.arg_of("ordered-by") == Some("user");
        node.mandatory = from.arg_of("mandatory") == Some("true");
        node.default = from.arg_of("default").map(str::to_owned);
        node.when = from.sub("when").map(Statement::description);
        node.units = from.arg_of("units").map(str::to_owned);
        node.cases = place.cases.clone();
        if let Some(of_type) = from.sub("type") {
            node.value_type = Some(self.value_type(place.home, of_type, 0)?);
        }
        let id = SchemaId(self.schema.nodes.len() as u32);
        self.schema.nodes.push(node);
        self.schema.nodes[place.parent.0 as usize].children.push(id);
        let name = (place.parent, from.arg.clone());
        if self.schema.by_name.insert(name, id).is_some() {
            return Err(self.error(place.home, from, format!("`{}` is there twice", from.arg)));
        }
        if matches!(kind, Kind::Container | Kind::List) {
            let mut inside = place.clone();
            inside.parent = id;
            inside.cases.clear();
            self.expand(&from.subs, &inside)?;
        }
        for key in from.arg_of("key").unwrap_or_default().split_whitespace() {
            let key = self.schema.child(id, key);
            let key = key.ok_or_else(|| self.error(place.home, from, "its key is missing"))?;
            self.schema.nodes[id.0 as usize].keys.push(key);
        }
        Ok(())
    }

    fn has_extension(&self, home: usize, from: &Statement, name: &str) -> bool {
        from.subs
            .iter()
            .any(|sub| self.is_extension(home, sub, name))
    }

    fn is_extension(&self, home: usize, sub: &Statement, name: &str) -> bool {
        sub.keyword
            .split_once(':')
            .is_some_and(|(prefix, keyword)| {
                let module = self.modules[home].prefixes.get(prefix);
                keyword == name && module.is_some_and(|m| m == "ravelin-extensions")
            })
    }

    /// The top-level definition `keyword name` that `home` sees, and the module it is in.
    fn definition(&self, home: usize, keyword: &str, name: &str) -> Option<(usize, Statement)> {
        let (module, name) = match name.split_once(':') {
            Some((prefix, name)) => (self.modules[home].prefixes.get(prefix)?, name),
            None => (&self.modules[home].name, name),
        };
        let index = self.modules.iter().position(|m| m.name == *module)?;
        let mut subs = self.modules[index].top.subs.iter();
        let found = subs.find(|s| s.keyword == keyword && s.arg == name)?;
        Some((index, found.clone()))
    }

    fn value_type(&self, home: usize, of: &Statement, depth: usize) -> Result<Type, ModelError> {
        if depth > MAX_INDIRECTIONS {
            return Err(self.error(home, of, "typedefs nested too deeply"));
        }
        let mut made = match self.definition(home, "typedef", &of.arg) {
            Some((inside, typedef)) => self.derived(home, of, inside, &typedef, depth)?,
            None => Type {
                base: self.builtin(home, of, depth)?,
                range: None,
                expects: None,
                units: None,
                error_message: None,
            },
        };
        if let Some(range) = of.arg_of("range").or(of.arg_of("length")) {
            made.range = Some(range.to_owned());
        }
        let patterns = of.subs.iter().filter(|s| s.keyword == "pattern");
        if let Some(message) = patterns.filter_map(|p| p.arg_of("error-message")).next() {
            made.error_message = Some(message.to_owned());
        }
        Ok(made)
    }

    fn derived(
        &self,
        home: usize,
        of: &Statement,
        inside: usize,
        typedef: &Statement,
        depth: usize,
    ) -> Result<Type, ModelError> {
        let base = typedef.sub("type");
        let base = base.ok_or_else(|| self.error(home, of, "a typedef without type"))?;
        let mut made = self.value_type(inside, base, depth + 1)?;
        if let Some(units) = typedef.arg_of("units") {
            made.units = Some(units.to_owned());
        }
        let mut subs = typedef.subs.iter();
        if let Some(expects) = subs.find(|s| self.is_extension(inside, s, "expects")) {
            made.expects = Some(expects.arg.clone());
        }
        Ok(made)
    }

    fn builtin(&self, home: usize, of: &Statement, depth: usize) -> Result<Base, ModelError> {
        let members = |keyword: &'static str| of.subs.iter().filter(move |s| s.keyword == keyword);
        Ok(match of.arg.as_str() {
            "empty" => Base::Empty,
            "boolean" => Base::Boolean,
            "uint8" | "uint16" | "uint32" | "uint64" | "int8" | "int16" | "int32" | "int64" => {
                Base::Number
            }
            "enumeration" => Base::Enumeration(
                members("enum")
                    .map(|e| EnumValue {
                        name: e.arg.clone(),
                        description: e.description(),
                    })
                    .collect(),
            ),
            "union" => Base::Union(
                members("type")
                    .map(|t| self.value_type(home, t, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            "leafref" => Base::Leafref(of.arg_of("path").unwrap_or_default().to_owned()),
            // Strings, and the types of libyang's own modules, whose rules only libyang knows.
            name if name == "string" || name.contains(':') => Base::Text,
            name => return Err(self.error(home, of, format!("no type `{name}`"))),
        })
    }
}
