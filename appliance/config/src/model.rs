//! The model as one object: libyang's context and our index of the same modules.

use crate::data;
use crate::error::{Diagnostic, ModelError, Pos, Refusal};
use crate::schema::Schema;
use crate::text::{self, Secrets};
use crate::tree::{ChildKey, Tree};
use crate::typed::Config;
use crate::yang::{SOURCES, Source};
use thiserror::Error;
use yang3::context::{Context, ContextFlags, EmbeddedModuleKey, EmbeddedModules};
use zeroize::Zeroizing;

/// The compiled model. Making it takes some milliseconds; a process makes one.
pub struct Model {
    context: Context,
    schema: Schema,
}

/// A text that was read and judged valid.
pub struct Parsed {
    /// Its statements.
    pub tree: Tree,
    /// Its typed values, defaults filled in.
    pub config: Config,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum Problem {
    /// The text is at fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Our model is at fault.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Model {
    /// The model of this product.
    ///
    /// # Errors
    /// When the modules of this build are broken.
    pub fn new() -> Result<Self, ModelError> {
        Self::with_sources(SOURCES)
    }

    /// A model of other modules, each after those it imports.
    ///
    /// # Errors
    /// When libyang or our reader does not understand one.
    pub fn with_sources(sources: &[Source]) -> Result<Self, ModelError> {
        let flags = ContextFlags::DISABLE_SEARCHDIRS
            | ContextFlags::DISABLE_SEARCHDIR_CWD
            | ContextFlags::NO_YANGLIBRARY;
        let mut context = Context::new(flags).map_err(|e| ModelError::libyang("a context", &e))?;
        let embedded = sources
            .iter()
            .map(|(name, text)| (EmbeddedModuleKey::new(name, None, None, None), *text));
        let embedded: EmbeddedModules = embedded.collect();
        context.set_embedded_modules(&embedded);
        for (name, _) in sources {
            let loaded = context.load_module(name, None, &[]).map(drop);
            loaded.map_err(|e| ModelError::libyang(format!("module {name}"), &e))?;
        }
        // The context holds a bare pointer to `embedded`, which ends here.
        context.unset_embedded_modules();
        Ok(Self {
            schema: Schema::new(sources)?,
            context,
        })
    }

    /// Our index of the modules.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// libyang's context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Reads a text, in braces or `set` lines, without judging it.
    ///
    /// # Errors
    /// Every fault with its place, at most 16.
    pub fn parse(&self, source: &str, text: &str) -> Result<Tree, Refusal> {
        text::parse(&self.schema, text).map_err(|faults| refusal(source, faults))
    }

    /// Reads a text on top of `base`, without judging it: what it states replaces or joins what stands there, `delete` lines
    /// take away.
    ///
    /// # Errors
    /// As [`Model::parse`].
    pub fn amend(&self, source: &str, base: &Tree, text: &str) -> Result<Tree, Refusal> {
        text::amend(&self.schema, base.clone(), text).map_err(|faults| refusal(source, faults))
    }

    /// `tree` with what `other` has below these containers, if it has nothing there itself; none when there is nothing to adopt.
    pub fn adopt(&self, tree: &Tree, other: &Tree, path: &[&str]) -> Option<Tree> {
        let mut adopted = tree.clone();
        let (mut at, mut to, mut from) = (Schema::ROOT, &mut adopted.root, &other.root);
        for (depth, name) in path.iter().enumerate() {
            let id = self.schema.statement(at, name)?;
            let key = ChildKey::single(id);
            from = from.children.get(&key)?;
            if depth + 1 == path.len() {
                if to.children.contains_key(&key) {
                    return None;
                }
                to.children.insert(key, from.clone());
                break;
            }
            to = to.child(&self.schema, key, None);
            at = id;
        }
        Some(adopted)
    }

    /// Judges a tree: types, mandatory statements, references and rules of the model.
    ///
    /// # Errors
    /// [`Problem::Refused`] with the first fault, at the place its statement has in the text it came from.
    pub fn validate(&self, source: &str, tree: &Tree) -> Result<Config, Problem> {
        let judged = data::judge(&self.context, &self.schema, tree);
        let json = match judged {
            Ok(json) => json,
            Err(data::Fault::Refused(fault)) => return Err(refusal(source, vec![*fault]).into()),
            Err(data::Fault::Model(error)) => return Err(error.into()),
        };
        Ok(Config::from_json(&json).map_err(ModelError::from)?)
    }

    /// Reads and judges a text.
    ///
    /// # Errors
    /// As [`Model::parse`] and [`Model::validate`].
    pub fn load(&self, source: &str, text: &str) -> Result<Parsed, Problem> {
        let tree = self.parse(source, text)?;
        let config = self.validate(source, &tree)?;
        Ok(Parsed { tree, config })
    }

    /// Where the text gave the statement of this path, or the nearest one around it.
    pub fn position(&self, tree: &Tree, path: &str) -> Option<Pos> {
        let (mut at, mut node) = (Schema::ROOT, &tree.root);
        let mut words = path.split_whitespace().peekable();
        while let Some(word) = words.peek() {
            let (id, named) = match self.schema.statement(at, word) {
                Some(id) => (id, true),
                None => (self.schema.unnamed_list(at)?, false),
            };
            if named {
                words.next();
            }
            let keys = words.by_ref().take(self.schema.node(id).keys.len());
            let Some(child) = node.children.get(&ChildKey::keyed(id, keys)) else {
                break;
            };
            (at, node) = (id, child);
        }
        node.pos
    }

    /// The tree as canonical text in braces.
    pub fn print(&self, tree: &Tree, secrets: Secrets) -> Zeroizing<String> {
        text::print_braces(&self.schema, tree, secrets)
    }

    /// The tree as `set` lines.
    pub fn print_set(&self, tree: &Tree, secrets: Secrets) -> Zeroizing<String> {
        text::print_set(&self.schema, tree, secrets)
    }
}

fn refusal(source: &str, mut diagnostics: Vec<Diagnostic>) -> Refusal {
    diagnostics.sort_by_key(|d| d.pos);
    Refusal {
        source: source.to_owned(),
        diagnostics,
    }
}

/// Reads any text against the product's model: the entry of the fuzz target. It must return, whatever the text.
pub fn parse(text: &str) {
    use std::sync::OnceLock;
    static MODEL: OnceLock<Option<Model>> = OnceLock::new();
    let Some(model) = MODEL.get_or_init(|| Model::new().ok()) else {
        return;
    };
    if let Ok(parsed) = model.load("fuzz", text) {
        let printed = model.print(&parsed.tree, Secrets::Show);
        let again = model.parse("fuzz", &printed);
        debug_assert!(
            again.is_ok_and(|tree| tree == parsed.tree),
            "printed text reads as another tree"
        );
    }
}

#[cfg(test)]
pub(crate) mod tests;
