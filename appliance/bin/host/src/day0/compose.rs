//! From what a source says to the text that is stored: judged as mgmtd will judge it, each fault at its place in the source.
//!
//! Without host name and keys the text is stored as it came, comments and all. With them the statements are added to it, or to the
//! factory default when there is no text; what the text itself says of the host name stays.

use ravelin_config::{Diagnostic, Model, Problem, Secrets, Tree};
use ravelin_mgmt::{VrfIds, read_text};
use zeroize::Zeroizing;

use super::seed::{Content, Text};

/// The user whom the keys of a source are for.
const USER: &str = "admin";

/// A text to be stored, and what to tell about it.
pub struct Composed {
    /// The configuration. Wiped on drop.
    pub text: Zeroizing<String>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Makes the configuration.
///
/// # Errors
/// One line per fault.
pub fn compose(
    model: &Model,
    content: &Content,
    factory_default: &Text,
) -> Result<Composed, Vec<String>> {
    let base = content.text.as_ref().unwrap_or(factory_default);
    let (tree, mut notes) = judge(model, base)?;
    if content.host_name.is_none() && content.keys.is_empty() {
        return Ok(Composed {
            text: base.text.clone(),
            notes,
        });
    }
    let mut lines = model.print_set(&tree, Secrets::Show);
    if let Some(name) = &content.host_name {
        // The factory default's name is nobody's wish.
        let said = content.text.is_some() && lines.contains("set system host-name ");
        if said {
            notes.push("the host name of the configuration is used, not the other one".to_owned());
        } else {
            lines.push_str(&format!("set system host-name {name}\n"));
        }
    }
    let user = format!("set system login user {USER}");
    if !content.keys.is_empty() && !lines.contains(&format!("{user} class ")) {
        lines.push_str(&format!("{user} class super-user\n"));
    }
    for key in &content.keys {
        lines.push_str(&format!("{user} authentication {key}\n"));
    }
    let together = Text {
        file: format!("{} with host name and keys", base.file),
        text: lines,
        shift_lines: None,
    };
    let (tree, _) = judge(model, &together)?;
    Ok(Composed {
        text: model.print(&tree, Secrets::Show),
        notes,
    })
}

/// Reads and judges a text; the warnings are for the operator.
fn judge(model: &Model, text: &Text) -> Result<(Tree, Vec<String>), Vec<String>> {
    match read_text(model, &VrfIds::default(), &text.file, &text.text) {
        Ok((tree, compiled)) => Ok((tree, compiled.warnings)),
        Err(Problem::Model(error)) => Err(vec![error.to_string()]),
        Err(Problem::Refused(refusal)) => Err(refusal
            .diagnostics
            .into_iter()
            .map(|diagnostic| told(text, diagnostic))
            .collect()),
    }
}

/// The fault at its line of the file.
fn told(text: &Text, mut diagnostic: Diagnostic) -> String {
    let file = &text.file;
    match (text.shift_lines, diagnostic.pos.as_mut()) {
        (Some(0), Some(_)) => format!("{file}:{diagnostic}"),
        // The column is another one in the file.
        (Some(shift), Some(pos)) => {
            let line = pos.line.saturating_add(shift);
            diagnostic.pos = None;
            format!("{file}:{line}: {diagnostic}")
        }
        (None, Some(pos)) => {
            let line = pos.line;
            diagnostic.pos = None;
            format!("{file}: line {line} of the configuration: {diagnostic}")
        }
        (_, None) => format!("{file}: {diagnostic}"),
    }
}

#[cfg(test)]
mod tests;
