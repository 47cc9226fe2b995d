//! Statements against the schema: every word is looked up there, and nowhere else.

use super::HIDDEN;
use super::syntax::{self, Item, Statement, Verb, Word};
use crate::error::{Diagnostic, Pos};
use crate::schema::{Base, Kind, Schema, SchemaId, any_of};
use crate::tree::{ChildKey, Node, Tree};

/// Most faults reported at once; more would only hide the first.
const MAX_DIAGNOSTICS: usize = 16;

/// Reads `text`. The tree says what the text says; libyang has not judged it yet.
pub(crate) fn parse(schema: &Schema, text: &str) -> Result<Tree, Vec<Diagnostic>> {
    amend(schema, Tree::default(), text)
}

/// Reads `text` on top of `base`: what it states replaces what stands there, and `delete` takes away. Only what the text gives
/// has a place in the result, which is how the two are told apart here.
pub(crate) fn amend(schema: &Schema, base: Tree, text: &str) -> Result<Tree, Vec<Diagnostic>> {
    let statements = syntax::read(text).map_err(|d| vec![d])?;
    let mut tree = base;
    forget_places(&mut tree.root);
    let mut parser = Parser {
        schema,
        faults: Vec::new(),
        path: Vec::new(),
    };
    for statement in &statements {
        parser.statement(Schema::ROOT, &mut tree.root, statement);
    }
    if parser.faults.is_empty() {
        prune(schema, &mut tree.root);
        Ok(tree)
    } else {
        Err(parser.faults)
    }
}

fn forget_places(node: &mut Node) {
    node.pos = None;
    node.children.values_mut().for_each(forget_places);
}

/// Removes empty containers that mean nothing by their presence; braces without content and `delete` leave them.
fn prune(schema: &Schema, node: &mut Node) {
    node.children.retain(|key, child| {
        prune(schema, child);
        let schema = schema.node(key.schema);
        schema.kind != Kind::Container || schema.presence || !child.children.is_empty()
    });
}

struct Parser<'a> {
    schema: &'a Schema,
    faults: Vec<Diagnostic>,
    /// The statement words down to here.
    path: Vec<String>,
}

/// The rest of a statement while it is walked.
#[derive(Clone, Copy)]
struct Rest<'a> {
    items: &'a [Item],
    of: &'a Statement,
    /// Whether what it ends in is to be inactive.
    inactive: bool,
}

impl<'a> Rest<'a> {
    /// Takes the first item off.
    fn next(self) -> Option<(&'a Item, Rest<'a>)> {
        let (first, items) = self.items.split_first()?;
        Some((first, Rest { items, ..self }))
    }

    /// The place of the next item, or of the end.
    fn pos(self) -> Pos {
        self.items.first().map_or(self.of.end, Item::pos)
    }
}

impl Parser<'_> {
    fn fault(&mut self, pos: Pos, message: impl Into<String>) {
        if self.faults.len() < MAX_DIAGNOSTICS {
            self.faults.push(Diagnostic {
                pos: Some(pos),
                path: self.path.join(" "),
                message: message.into(),
            });
        }
    }

    fn statement(&mut self, at: SchemaId, node: &mut Node, statement: &Statement) {
        let depth = self.path.len();
        let rest = Rest {
            items: &statement.items,
            of: statement,
            inactive: statement.inactive,
        };
        self.walk(at, node, rest);
        self.path.truncate(depth);
    }

    /// Walks the rest of a statement below `node`, an instance of the inner schema node `at`.
    fn walk(&mut self, at: SchemaId, node: &mut Node, rest: Rest<'_>) {
        let Some((item, after)) = rest.next() else {
            return self.finish(at, node, rest);
        };
        let word = match item {
            Item::Word(word) => word,
            Item::List(_, pos) => {
                let wanted = self.candidates(at);
                return self.fault(
                    *pos,
                    format!("a list does not belong here; expected {wanted}"),
                );
            }
        };
        let named = (!word.quoted).then(|| self.schema.statement(at, &word.text));
        if let Some(id) = named.flatten() {
            self.path.push(word.text.to_string());
            match self.schema.node(id).kind {
                Kind::Container => self.enter(ChildKey::single(id), node, word.pos, after),
                Kind::List => self.list(id, node, after),
                Kind::Leaf => self.leaf(id, node, word, after),
                Kind::LeafList => self.leaf_list(id, node, after),
            }
        } else if let Some(list) = self.schema.unnamed_list(at) {
            self.list(list, node, rest);
        } else {
            let wanted = self.candidates(at);
            let hint = self.nearest(at, &word.text);
            self.fault(
                word.pos,
                format!("unknown statement {}; expected {wanted}{hint}", show(word)),
            );
        }
    }

    /// The statements under `at`, for an error message.
    fn candidates(&self, at: SchemaId) -> String {
        let mut words: Vec<String> = self
            .schema
            .statements(at)
            .map(|id| self.schema.node(id).name.clone())
            .collect();
        if let Some(list) = self.schema.unnamed_list(at) {
            let key = self
                .schema
                .node(list)
                .keys
                .first()
                .map(|k| self.schema.node(*k));
            let expects = key
                .and_then(|k| k.value_type.as_ref())
                .map(|t| t.describe());
            words.push(expects.unwrap_or_else(|| "a name".to_owned()));
        }
        any_of(words.iter().map(String::as_str))
    }

    /// ` (did you mean ...?)` for a likely slip of the pen.
    fn nearest(&self, at: SchemaId, word: &str) -> String {
        let names = self
            .schema
            .statements(at)
            .map(|id| &self.schema.node(id).name);
        let best = names.map(|n| (distance(word, n), n)).min();
        match best {
            Some((slips, name)) if slips <= 2 && slips < name.len() / 2 => {
                format!(" (did you mean `{name}`?)")
            }
            _ => String::new(),
        }
    }

    /// Reads the keys of a list entry and goes on inside it.
    fn list(&mut self, id: SchemaId, node: &mut Node, rest: Rest<'_>) {
        let pos = rest.pos();
        let mut keys = Vec::new();
        let mut after = rest;
        for key in &self.schema.node(id).keys {
            let Some((Item::Word(word), next)) = after.next() else {
                return self.missing_value(*key, after.pos());
            };
            self.path.push(word.text.to_string());
            keys.push(word.text.as_str());
            after = next;
        }
        self.enter(ChildKey::keyed(id, keys), node, pos, after);
    }

    /// Goes on inside the container or list entry `key` of `node`.
    fn enter(&mut self, key: ChildKey, node: &mut Node, pos: Pos, rest: Rest<'_>) {
        let id = key.schema;
        match rest.of.verb {
            Verb::Delete | Verb::Deactivate | Verb::Activate => {
                let Some(child) = node.children.get_mut(&key) else {
                    return self.fault(pos, "there is no such statement");
                };
                if !rest.items.is_empty() {
                    return self.walk(id, child, rest);
                }
                self.change(node, &key, rest.of.verb);
            }
            Verb::State | Verb::Set => {
                if !self.chosen(id, node, pos, rest) {
                    return;
                }
                let fresh = !node.children.contains_key(&key);
                let child = node.child(self.schema, key, Some(pos));
                let fresh = fresh || child.pos.is_none();
                child.pos.get_or_insert(pos);
                // `inactive: route P discard;` speaks of the route: that is how one prints.
                let entry = self.schema.node(id);
                let whole = entry.oneline && entry.kind == Kind::List;
                if (rest.items.is_empty() || whole) && rest.of.verb == Verb::State {
                    if !fresh && child.inactive != rest.inactive {
                        let line = child.pos.map_or(0, |p| p.line);
                        return self.fault(
                            pos,
                            format!("active here or on line {line}, inactive in the other"),
                        );
                    }
                    child.inactive = rest.inactive;
                    return self.walk(
                        id,
                        child,
                        Rest {
                            inactive: false,
                            ..rest
                        },
                    );
                }
                self.walk(id, child, rest);
            }
        }
    }

    fn change(&mut self, node: &mut Node, key: &ChildKey, verb: Verb) {
        match (verb, node.children.get_mut(key)) {
            (Verb::Delete, _) => {
                node.children.remove(key);
            }
            (verb, Some(child)) => child.inactive = verb == Verb::Deactivate,
            (_, None) => {}
        }
    }

    /// The end of a statement whose last word named the container or list entry `node`.
    fn finish(&mut self, at: SchemaId, node: &mut Node, rest: Rest<'_>) {
        if let Some(block) = &rest.of.block {
            for statement in block {
                self.statement(at, node, statement);
            }
            return;
        }
        let schema = self.schema.node(at);
        if schema.kind == Kind::Container && !schema.presence && node.children.is_empty() {
            let wanted = self.candidates(at);
            self.fault(
                rest.of.end,
                format!("this statement is incomplete; expected {wanted}"),
            );
        }
    }

    fn leaf(&mut self, id: SchemaId, node: &mut Node, name: &Word, rest: Rest<'_>) {
        let key = ChildKey::single(id);
        if rest.items.is_empty() && self.only_changes(&key, node, name.pos, rest) {
            return;
        }
        let schema = self.schema.node(id);
        let (value, pos, after) = if schema.is_empty_leaf() {
            (None, name.pos, rest)
        } else {
            match rest.next() {
                Some((Item::Word(word), after)) => (Some(word), name.pos, after),
                Some((Item::List(_, pos), _)) => {
                    return self.fault(
                        *pos,
                        format!("`{}` takes one value, not a list", schema.name),
                    );
                }
                None => return self.missing_value(id, rest.pos()),
            }
        };
        if !self.ends(id, after) || !self.chosen(id, node, pos, rest) {
            return;
        }
        if let Some(word) = value {
            if schema.secret && !word.quoted && word.text.as_str() == HIDDEN {
                return self.fault(word.pos, "the secret is hidden in this text; write it out");
            }
        }
        let text = value.map(|w| w.text.clone()).unwrap_or_default();
        match rest.of.verb {
            Verb::State => {
                let old = node.children.get(&key).filter(|old| old.value != text);
                match old.map(|old| old.pos) {
                    Some(Some(given)) => {
                        let line = given.line;
                        return self.fault(
                            pos,
                            format!("`{}` has another value on line {line}", schema.name),
                        );
                    }
                    // Of the base.
                    Some(None) => drop(node.children.remove(&key)),
                    None => {}
                }
            }
            Verb::Set => {
                node.children.remove(&key);
            }
            verb => return self.change(node, &key, verb),
        }
        let child = node.child(self.schema, key, Some(pos));
        child.pos.get_or_insert(pos);
        child.value = text;
        child.inactive = rest.inactive;
    }

    fn leaf_list(&mut self, id: SchemaId, node: &mut Node, rest: Rest<'_>) {
        let Some((item, after)) = rest.next() else {
            if matches!(
                rest.of.verb,
                Verb::Delete | Verb::Deactivate | Verb::Activate
            ) {
                let keys: Vec<ChildKey> = node.instances(id).map(|(k, _)| k.clone()).collect();
                keys.iter()
                    .for_each(|key| self.change(node, key, rest.of.verb));
                return;
            }
            return self.missing_value(id, rest.pos());
        };
        if !self.ends(id, after) || !self.chosen(id, node, item.pos(), rest) {
            return;
        }
        let words = match item {
            Item::Word(word) => std::slice::from_ref(word),
            Item::List(words, _) => words,
        };
        for word in words {
            let key = ChildKey::keyed(id, [word.text.as_str()]);
            if self.only_changes(&key, node, word.pos, rest) {
                continue;
            }
            let child = node.child(self.schema, key, Some(word.pos));
            child.value = word.text.clone();
            child.inactive = rest.inactive;
        }
    }

    /// Carries out `delete`, `deactivate` and `activate` of the leaf `key`; whether the verb was one of these.
    fn only_changes(&mut self, key: &ChildKey, node: &mut Node, pos: Pos, rest: Rest<'_>) -> bool {
        let verb = rest.of.verb;
        if matches!(verb, Verb::State | Verb::Set) {
            return false;
        }
        if node.children.contains_key(key) {
            self.change(node, key, verb);
        } else {
            self.fault(pos, "there is no such statement");
        }
        true
    }

    /// Whether a leaf's statement ends here, as it must.
    fn ends(&mut self, id: SchemaId, rest: Rest<'_>) -> bool {
        let name = &self.schema.node(id).name;
        match rest.items.first() {
            Some(Item::Word(word)) => {
                let found = show(word);
                self.fault(
                    word.pos,
                    format!("expected `;` at the end of `{name}`, found {found}"),
                );
            }
            Some(Item::List(_, pos)) => {
                self.fault(
                    *pos,
                    format!("expected `;` at the end of `{name}`, found a list"),
                );
            }
            None if rest.of.block.is_some() => {
                self.fault(
                    rest.of.end,
                    format!("`{name}` ends with `;`, it has no statements inside"),
                );
            }
            None => return true,
        }
        false
    }

    /// Whether `id` may stand in `node` beside the cases already chosen there; `set` lets it replace them.
    fn chosen(&mut self, id: SchemaId, node: &mut Node, pos: Pos, rest: Rest<'_>) -> bool {
        let schema = self.schema.node(id);
        if schema.cases.is_empty() || rest.inactive {
            return true;
        }
        let rivals = node.children.iter().filter(|(key, rival)| {
            !rival.inactive && schema.excludes(self.schema.node(key.schema))
        });
        let rivals: Vec<(ChildKey, Option<Pos>)> =
            rivals.map(|(k, n)| (k.clone(), n.pos)).collect();
        let given = rivals
            .iter()
            .find_map(|(rival, at)| at.map(|at| (rival, at)));
        match (rest.of.verb, given) {
            (Verb::State, Some((rival, at))) => {
                let other = &self.schema.node(rival.schema).name;
                let line = at.line;
                self.fault(
                    pos,
                    format!("`{}` excludes `{other}` of line {line}", schema.name),
                );
                false
            }
            (Verb::State | Verb::Set, _) => {
                for (rival, _) in &rivals {
                    node.children.remove(rival);
                }
                true
            }
            _ => true,
        }
    }

    fn missing_value(&mut self, id: SchemaId, pos: Pos) {
        let wanted = describe(self.schema, id);
        let name = self.schema.node(id).name.clone();
        if self.schema.is_key(id) {
            self.fault(pos, format!("expected {wanted}"));
        } else {
            self.fault(pos, format!("`{name}` needs a value; expected {wanted}"));
        }
    }
}

/// What a value of `id` is, with its units: `a number of 2..86400 (seconds)`.
pub(crate) fn describe(schema: &Schema, id: SchemaId) -> String {
    let node = schema.node(id);
    let Some(of_type) = &node.value_type else {
        return "a value".to_owned();
    };
    if let Base::Leafref(path) = &of_type.base {
        if let Some(target) = schema.leafref_target(id, path) {
            let list = schema.node(target).parent.unwrap_or(target);
            return format!("the name of a `{}`", schema.path(list));
        }
    }
    match node.units.as_ref().or(of_type.units.as_ref()) {
        Some(units) => format!("{} ({units})", of_type.describe()),
        None => of_type.describe(),
    }
}

/// A word in an error message. A quoted word may be a secret in the wrong place, so it is not repeated.
fn show(word: &Word) -> String {
    if word.quoted {
        "a quoted text".to_owned()
    } else {
        format!("`{}`", word.text.as_str())
    }
}

/// Edit distance, for words of at most 64 characters.
fn distance(a: &str, b: &str) -> usize {
    const MAX_CHARS: usize = 64;
    let b: Vec<char> = b.chars().take(MAX_CHARS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(MAX_CHARS).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
