//! The tree as libyang's data: every value judged at its place, then the whole, and the result as JSON.

use crate::error::{Diagnostic, ModelError};
use crate::schema::{Base, Kind, Schema, SchemaId, any_of};
use crate::text;
use crate::tree::{ChildKey, Node, Tree};
use std::collections::HashMap;
use yang3::context::Context;
use yang3::data::{Data, DataFormat, DataNodeRef, DataPrinterFlags, DataTree, DataValidationFlags};
use yang3::schema::SchemaModule;
use zeroize::Zeroizing;

/// Why there is no data.
pub(crate) enum Fault {
    /// The configuration is wrong.
    Refused(Box<Diagnostic>),
    /// The model is.
    Model(ModelError),
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Fault::Model(error)
    }
}

type Modules<'a> = HashMap<&'a str, SchemaModule<'a>>;

struct Judge<'a> {
    schema: &'a Schema,
    modules: Modules<'a>,
}

/// Judges `tree`; yields it as JSON with all defaults.
pub(crate) fn judge(
    context: &Context,
    schema: &Schema,
    tree: &Tree,
) -> Result<Zeroizing<String>, Fault> {
    let judge = Judge {
        schema,
        modules: modules(context, schema),
    };
    let mut data = DataTree::new(context);
    let mut path = Vec::new();
    for (key, node) in tree.root.children.iter().filter(|(_, n)| !n.inactive) {
        judge.top(&mut data, key, node, &mut path)?;
    }
    if let Err(error) = data.validate(DataValidationFlags::NO_STATE) {
        return Err(Fault::Refused(Box::new(judge.explain(tree, &error))));
    }
    let flags =
        DataPrinterFlags::WITH_SIBLINGS | DataPrinterFlags::WD_ALL | DataPrinterFlags::SHRINK;
    let json = data.print_string(DataFormat::JSON, flags);
    let json = json.map_err(|e| ModelError::libyang("to print JSON", &e))?;
    Ok(Zeroizing::new(json))
}

fn modules<'a>(context: &'a Context, schema: &'a Schema) -> Modules<'a> {
    let mut modules = Modules::new();
    for id in schema.all() {
        let name = schema.node(id).module.as_str();
        if !modules.contains_key(name) {
            if let Some(module) = context.get_module_implemented(name) {
                modules.insert(name, module);
            }
        }
    }
    modules
}

impl<'a> Judge<'a> {
    fn top(
        &self,
        data: &mut DataTree<'a>,
        key: &ChildKey,
        node: &Node,
        path: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let schema = self.schema.node(key.schema);
        // Only containers stand at the top: a test of the schema holds that.
        let at = format!("/{}:{}", schema.module, schema.name);
        let made = data.new_path(&at, None, false);
        let made = made.map_err(|e| ModelError::libyang(&at, &e))?;
        path.push(schema.name.clone());
        if let Some(mut inner) = made {
            self.fill(&mut inner, node, path)?;
        }
        path.pop();
        Ok(())
    }

    fn fill(
        &self,
        into: &mut DataNodeRef<'_>,
        node: &Node,
        path: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let mut last = None;
        for key in node.children.keys() {
            if last.replace(key.schema) == Some(key.schema) {
                continue;
            }
            for (key, child) in node.instances(key.schema).filter(|(_, n)| !n.inactive) {
                let depth = path.len();
                self.add(into, key, child, path)?;
                path.truncate(depth);
            }
        }
        Ok(())
    }

    fn add(
        &self,
        into: &mut DataNodeRef<'_>,
        key: &ChildKey,
        node: &Node,
        path: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let schema = self.schema.node(key.schema);
        let module = self.modules.get(schema.module.as_str());
        if !schema.unnamed {
            path.push(schema.name.clone());
        }
        match schema.kind {
            Kind::Container => {
                let made = into.new_inner(module, &schema.name);
                let mut made = made.map_err(|e| ModelError::libyang(&schema.name, &e))?;
                self.fill(&mut made, node, path)
            }
            Kind::List => {
                let keys: Vec<&str> = key.keys.iter().map(|k| k.0.as_str()).collect();
                let made = into.new_list2(module, &schema.name, &keys);
                let of = schema.keys.first().copied().unwrap_or(key.schema);
                let value = keys.join(" ");
                let mut made = made.map_err(|e| self.bad_value(of, node, &value, path, &e))?;
                path.extend(keys.iter().map(|k| (*k).to_owned()));
                self.fill(&mut made, node, path)
            }
            Kind::Leaf | Kind::LeafList => {
                let value = (!schema.is_empty_leaf()).then_some(node.value.as_str());
                let made = into.new_term(module, &schema.name, value);
                made.map_err(|e| self.bad_value(key.schema, node, &node.value, path, &e))
            }
        }
    }

    /// A value that its type refuses.
    fn bad_value(
        &self,
        id: SchemaId,
        node: &Node,
        value: &str,
        path: &[String],
        error: &yang3::Error,
    ) -> Fault {
        let schema = self.schema.node(id);
        let shown = if schema.secret {
            "this secret".to_owned()
        } else {
            format!("`{value}`")
        };
        let own = schema
            .value_type
            .as_ref()
            .and_then(|t| t.error_message.clone());
        let message = match own {
            Some(own) if error.msg.as_deref() == Some(own.as_str()) => own,
            _ => format!(
                "{shown} is not accepted; expected {}",
                text::describe(self.schema, id)
            ),
        };
        Fault::Refused(Box::new(Diagnostic {
            pos: node.pos,
            path: path.join(" "),
            message,
        }))
    }

    /// What libyang says of the whole, at the place of the statement it speaks of.
    fn explain(&self, tree: &Tree, error: &yang3::Error) -> Diagnostic {
        let found = self.locate(tree, error.path.as_deref().unwrap_or_default());
        let said = error.msg.clone().unwrap_or_default();
        let message = self.message(tree, &found, error.apptag.as_deref(), &said);
        Diagnostic {
            pos: found.node.pos,
            path: found.words.join(" "),
            message,
        }
    }

    fn message(
        &self,
        tree: &Tree,
        found: &Located<'_>,
        apptag: Option<&str>,
        said: &str,
    ) -> String {
        let schema = self.schema.node(found.id);
        if apptag == Some("instance-required") {
            if let Some(message) = self.dangling(tree, found) {
                return message;
            }
        }
        if apptag == Some("missing-choice") || said.starts_with("Mandatory choice") {
            let name = said.split('"').nth(1).unwrap_or_default();
            let members = self.schema.choice_members(found.id, name);
            return format!("a statement is missing: {}", any_of(members.into_iter()));
        }
        if said.starts_with("Mandatory node") {
            let name = said.split('"').nth(1).unwrap_or_default();
            return match self.schema.statement(found.id, name) {
                Some(id) => {
                    let wanted = text::describe(self.schema, id);
                    format!("`{name}` is missing; expected {wanted}")
                }
                None => format!("`{name}` is missing"),
            };
        }
        if said.starts_with("When condition") {
            return match &schema.when {
                Some(why) if !why.is_empty() => why.clone(),
                _ => format!("`{}` does not belong here", schema.name),
            };
        }
        match apptag {
            Some("too-few-elements") => format!("`{}` is missing", leaf_name(said, &schema.name)),
            Some("too-many-elements") => format!("too many of `{}`", leaf_name(said, &schema.name)),
            _ => said.to_owned(),
        }
    }

    /// A leafref to nothing: what is missing, and what there is.
    fn dangling(&self, tree: &Tree, found: &Located<'_>) -> Option<String> {
        /// Most names listed in a message.
        const MAX_NAMES: usize = 8;
        let of_type = self.schema.node(found.id).value_type.as_ref()?;
        let Base::Leafref(path) = &of_type.base else {
            return None;
        };
        let target = self.schema.leafref_target(found.id, path)?;
        let list = self.schema.node(target).parent?;
        let what = self.schema.path(list);
        let names = entry_names(self.schema, tree, list);
        let value = found.node.value.as_str();
        Some(match names.len() {
            0 => format!("no `{what} {value}` exists, nor any other"),
            n if n > MAX_NAMES => format!("no `{what} {value}` exists; there are {n} others"),
            _ => {
                let names = any_of(names.iter().map(String::as_str));
                format!("no `{what} {value}` exists; expected {names}")
            }
        })
    }

    /// Follows a libyang data path as far as the tree goes.
    fn locate<'t>(&self, tree: &'t Tree, path: &str) -> Located<'t> {
        let mut found = Located {
            id: Schema::ROOT,
            node: &tree.root,
            words: Vec::new(),
        };
        let mut alive = true;
        for (name, values) in segments(path) {
            let Some(id) = self.schema.child(found.id, &name) else {
                break;
            };
            let schema = self.schema.node(id);
            found.id = id;
            if self.schema.is_key(id) {
                break;
            }
            if !schema.unnamed {
                found.words.push(name);
            }
            let key = match schema.kind {
                Kind::List => {
                    found.words.extend(values.iter().cloned());
                    ChildKey::keyed(id, &values)
                }
                Kind::LeafList => ChildKey::keyed(id, &values),
                _ => ChildKey::single(id),
            };
            let canonical = || {
                // libyang names a leaf-list value in its canonical form, which the text may not have used.
                let only = found.node.instances(id).next();
                only.filter(|_| schema.kind == Kind::LeafList)
            };
            match found
                .node
                .children
                .get(&key)
                .or_else(|| canonical().map(|(_, n)| n))
            {
                Some(node) if alive => found.node = node,
                _ => alive = false,
            }
        }
        found
    }
}

/// A place that libyang named.
struct Located<'t> {
    id: SchemaId,
    /// The deepest node of the tree on the way.
    node: &'t Node,
    words: Vec<String>,
}

/// `Too few "proposals" instances.` names its node.
fn leaf_name(said: &str, otherwise: &str) -> String {
    said.split('"').nth(1).unwrap_or(otherwise).to_owned()
}

/// The first keys of all active entries of the list `id`, wherever it stands.
pub(crate) fn entry_names(schema: &Schema, tree: &Tree, id: SchemaId) -> Vec<String> {
    let mut chain = vec![id];
    while let Some(parent) = chain.last().and_then(|id| schema.node(*id).parent) {
        if parent == Schema::ROOT {
            break;
        }
        chain.push(parent);
    }
    let mut nodes = vec![&tree.root];
    while let Some(step) = chain.pop() {
        if step == id {
            let keys = nodes.iter().flat_map(|n| n.instances(step));
            let active = keys.filter(|(_, n)| !n.inactive);
            return active
                .filter_map(|(k, _)| k.keys.first().map(|k| k.0.clone()))
                .collect();
        }
        nodes = nodes
            .into_iter()
            .flat_map(|n| n.instances(step).map(|(_, n)| n))
            .filter(|n| !n.inactive)
            .collect();
    }
    Vec::new()
}

/// Takes `/m:a/b[k='v']/c[.='x']` apart: names without prefix, and the values of their predicates.
fn segments(path: &str) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some(after) = rest.strip_prefix('/') {
        let end = after.find(['/', '[']).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        let name = name.rsplit(':').next().unwrap_or(name).to_owned();
        rest = tail;
        let mut values = Vec::new();
        while let Some(predicate) = rest.strip_prefix('[') {
            let Some(at) = predicate.find(['\'', '"', ']']) else {
                return out;
            };
            let quote = &predicate[at..=at];
            let inner = &predicate[at + 1..];
            if quote == "]" {
                rest = inner;
                continue;
            }
            let Some(close) = inner.find(quote) else {
                return out;
            };
            values.push(inner[..close].to_owned());
            rest = inner[close + 1..].strip_prefix(']').unwrap_or_default();
        }
        out.push((name, values));
    }
    out
}

#[cfg(test)]
mod tests;
