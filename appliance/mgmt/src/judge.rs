//! A configuration text as this process judges it: read, validated against the model, compiled.

use crate::compile::{CompileError, Compiled, compile};
use crate::instances::VrfIds;
use ravelin_config::{Diagnostic, Model, Problem, Refusal, Tree};

/// Reads, judges and compiles a text, with the numbers that routing instances have already. Who asks before mgmtd runs (day 0) gets
/// the answer that mgmtd would give.
///
/// # Errors
/// [`Problem::Refused`] with every fault and its place.
pub fn read_text(
    model: &Model,
    known: &VrfIds,
    origin: &str,
    text: &str,
) -> Result<(Tree, Compiled), Problem> {
    let tree = model.parse(origin, text)?;
    let compiled = read_tree(model, known, origin, &tree)?;
    Ok((tree, compiled))
}

/// Judges and compiles a tree.
///
/// # Errors
/// As [`read_text`].
pub(crate) fn read_tree(
    model: &Model,
    known: &VrfIds,
    origin: &str,
    tree: &Tree,
) -> Result<Compiled, Problem> {
    let config = model.validate(origin, tree)?;
    let errors = match compile(&config, known) {
        Ok(compiled) => return Ok(compiled),
        Err(errors) => errors,
    };
    let place = |error: CompileError| Diagnostic {
        pos: model.position(tree, &error.path),
        path: error.path,
        message: error.message,
    };
    let refusal = Refusal {
        source: origin.to_owned(),
        diagnostics: errors.into_iter().map(place).collect(),
    };
    Err(refusal.into())
}
