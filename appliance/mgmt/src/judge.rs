//! A configuration text as this process judges it: read, validated against the model, compiled.

use crate::compile::{CompileError, Compiled, compile};
use ravelin_config::{Diagnostic, Model, Problem, Refusal, Tree};

/// Reads, judges and compiles a text. Who asks before mgmtd runs (day 0) gets the answer that mgmtd would give.
///
/// # Errors
/// [`Problem::Refused`] with every fault and its place.
pub fn read_text(model: &Model, origin: &str, text: &str) -> Result<(Tree, Compiled), Problem> {
    let parsed = model.load(origin, text)?;
    let errors = match compile(&parsed.config) {
        Ok(compiled) => return Ok((parsed.tree, compiled)),
        Err(errors) => errors,
    };
    let place = |error: CompileError| Diagnostic {
        pos: model.position(&parsed.tree, &error.path),
        path: error.path,
        message: error.message,
    };
    let refusal = Refusal {
        source: origin.to_owned(),
        diagnostics: errors.into_iter().map(place).collect(),
    };
    Err(refusal.into())
}
