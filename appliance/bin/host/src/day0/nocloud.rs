//! A NoCloud seed: `user-data` and `meta-data` as cloud-init's users write them, of which the following is taken.
//!
//! | file | what | becomes |
//! |---|---|---|
//! | `user-data` without `#cloud-config` at its top | all of it | the configuration |
//! | `user-data` with it | `ravelin`, or `write_files` with a `path` that ends in `/ravelin.conf` | the configuration |
//! | | `hostname`, else `fqdn` | `system host-name` |
//! | | `ssh_authorized_keys` | keys of the user `admin` |
//! | `meta-data` | `local-hostname`, else `hostname`, when `user-data` has none | `system host-name` |
//! | | `public-keys` | keys of the user `admin` |
//!
//! All else is told as not used, above all `network-config`: the addresses are those of the configuration. Scripts, MIME parts,
//! templates, includes and compressed data are refused.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::seed::{Content, Text};
use super::yaml::{self, Entry, Node, Value};

/// Formats of cloud-init that are no text of ours, by their first characters.
const FOREIGN: &[(&str, &str)] = &[
    ("#!", "a script"),
    ("#include", "an include file"),
    ("#upstart-job", "a job"),
    ("#cloud-boothook", "a boot hook"),
    ("#part-handler", "a part handler"),
    ("#cloud-config-archive", "an archive"),
    ("#cloud-config-jsonp", "a patch"),
    ("## template:", "a template"),
    ("Content-Type:", "a MIME message"),
    ("MIME-Version:", "a MIME message"),
];
const CLOUD_CONFIG: &str = "#cloud-config";
/// What a file of `write_files` is called that holds the configuration.
const CONFIGURATION_FILE: &str = "/ravelin.conf";

/// Reads the files of a volume.
///
/// # Errors
/// The first fault, with the file and line.
pub fn read(files: &BTreeMap<&'static str, Zeroizing<Vec<u8>>>) -> Result<Content, String> {
    let mut content = Content::default();
    if let Some(octets) = files.get("user-data") {
        user_data(octets, &mut content).map_err(|fault| fault.of("user-data"))?;
    }
    if let Some(octets) = files.get("meta-data") {
        meta_data(octets, &mut content).map_err(|fault| fault.of("meta-data"))?;
    }
    if files.contains_key("network-config") {
        content.note(
            "network-config is not used: addresses are those of the configuration".to_owned(),
        );
    }
    if files.contains_key("vendor-data") {
        content.note("vendor-data is not used".to_owned());
    }
    Ok(content)
}

/// The octets as text.
///
/// # Errors
/// With the line of what is no text.
pub fn text(octets: &[u8]) -> Result<&str, Fault> {
    if octets.starts_with(&[0x1f, 0x8b]) {
        return Err(Fault::whole("compressed data is not accepted"));
    }
    std::str::from_utf8(octets).map_err(|error| {
        let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|octet| **octet == b'\n').count();
        Fault::at(line, "not UTF-8 text")
    })
}

fn user_data(octets: &[u8], content: &mut Content) -> Result<(), Fault> {
    let text = text(octets)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default().trim_end();
    if let Some((_, what)) = FOREIGN.iter().find(|(start, _)| first.starts_with(start)) {
        let message = format!("{what} is not accepted; a Ravelin configuration or {CLOUD_CONFIG}");
        return Err(Fault::at(1, message));
    }
    if first == CLOUD_CONFIG {
        return cloud_config(text, content);
    }
    // An empty file is what cloud-init's users give when they have nothing to say.
    if !text.trim().is_empty() {
        content.text = Some(Text {
            file: "user-data".to_owned(),
            text: Zeroizing::new(text.to_owned()),
            shift_lines: Some(0),
        });
    }
    Ok(())
}

/// The entries of a document that is a mapping, or empty.
fn mapping(text: &str) -> Result<Vec<Entry>, Fault> {
    match yaml::read(text)? {
        None => Ok(Vec::new()),
        Some(Node {
            value: Value::Mapping(entries),
            ..
        }) => Ok(entries),
        // An empty document behind a comment is an empty text.
        Some(node) if node.text().is_some_and(str::is_empty) => Ok(Vec::new()),
        Some(node) => Err(Fault::at(node.line as usize, "not `key: value` lines")),
    }
}

fn word(entry: &Entry) -> Result<&str, Fault> {
    entry.value.text().map(str::trim).ok_or_else(|| {
        let message = format!("`{}` wants a text", entry.key);
        Fault::at(entry.line as usize, message)
    })
}

fn cloud_config(text: &str, content: &mut Content) -> Result<(), Fault> {
    let mut fqdn = None;
    for entry in mapping(text)? {
        match entry.key.as_str() {
            "hostname" => content.set_host_name(word(&entry)?, entry.line)?,
            "fqdn" => fqdn = Some(entry),
            "ssh_authorized_keys" => keys(&entry.value, content)?,
            "ravelin" => configuration(&entry.value, "user-data", false, content)?,
            "write_files" => write_files(&entry, content)?,
            key => content.note(format!("user-data:{}: `{key}` is not used", entry.line)),
        }
    }
    match fqdn {
        Some(entry) if content.host_name.is_none() => {
            content.set_host_name(word(&entry)?, entry.line)
        }
        _ => Ok(()),
    }
}

/// The configuration in a value of the document.
fn configuration(
    node: &Node,
    file: &str,
    base64: bool,
    content: &mut Content,
) -> Result<(), Fault> {
    let at = |message: &str| Err(Fault::at(node.line as usize, message));
    if content.text.is_some() {
        return at("a second configuration");
    }
    let Value::Text { text, lines_from } = &node.value else {
        return at("the configuration is not a text; write `|` behind the key");
    };
    let (text, shift_lines) = if base64 {
        let Some(text) = decode(text) else {
            return at("the configuration is not base64 of a text");
        };
        (text, None)
    } else {
        let shift = lines_from.map(|line| line.saturating_sub(1));
        (Zeroizing::new(text.clone()), shift)
    };
    content.text = Some(Text {
        file: file.to_owned(),
        text,
        shift_lines,
    });
    Ok(())
}

/// Base64 of a text, with white space anywhere.
pub fn decode(base64: &str) -> Option<Zeroizing<String>> {
    let compact: String = base64.chars().filter(|c| !c.is_whitespace()).collect();
    let octets = Zeroizing::new(Base64::decode_vec(&compact).ok()?);
    Some(Zeroizing::new(text(&octets).ok()?.to_owned()))
}

/// The files that cloud-init would write: ours is taken, the others are told.
fn write_files(entry: &Entry, content: &mut Content) -> Result<(), Fault> {
    let Value::Sequence(files) = &entry.value.value else {
        let message = "`write_files` wants a list of files";
        return Err(Fault::at(entry.line as usize, message));
    };
    for file in files {
        let Value::Mapping(entries) = &file.value else {
            let message = "a file of `write_files` wants `path` and `content`";
            return Err(Fault::at(file.line as usize, message));
        };
        let of = |key: &str| entries.iter().find(|entry| entry.key == key);
        let path = of("path").map(word).transpose()?.unwrap_or_default();
        if !path.ends_with(CONFIGURATION_FILE) {
            let line = file.line;
            content.note(format!(
                "user-data:{line}: a file of `write_files` is not written: only one ending in {CONFIGURATION_FILE} is used"
            ));
            continue;
        }
        let base64 = match of("encoding").map(word).transpose()?.unwrap_or_default() {
            "" | "text/plain" => false,
            "b64" | "base64" => true,
            _ => {
                let message = "this encoding is not accepted; text/plain or base64";
                return Err(Fault::at(file.line as usize, message));
            }
        };
        let Some(text) = of("content") else {
            let message = "a file of `write_files` without `content`";
            return Err(Fault::at(file.line as usize, message));
        };
        configuration(&text.value, "user-data", base64, content)?;
    }
    Ok(())
}

fn meta_data(octets: &[u8], content: &mut Content) -> Result<(), Fault> {
    let entries = mapping(text(octets)?)?;
    let of = |key: &str| entries.iter().find(|entry| entry.key == key);
    let named = of("local-hostname").or_else(|| of("hostname"));
    if let (Some(entry), None) = (named, &content.host_name) {
        let name = word(entry)?;
        if !name.is_empty() {
            content.set_host_name(name, entry.line)?;
        }
    }
    for entry in &entries {
        match entry.key.as_str() {
            "public-keys" => keys(&entry.value, content)?,
            // Who the instance is matters to cloud-init only.
            "local-hostname" | "hostname" | "instance-id" | "instance_id" => {}
            key => content.note(format!("meta-data:{}: `{key}` is not used", entry.line)),
        }
    }
    Ok(())
}

/// SSH keys: a text, a list of texts, or a mapping of any names to either.
fn keys(node: &Node, content: &mut Content) -> Result<(), Fault> {
    match &node.value {
        Value::Text { text, .. } => content.add_keys(text, node.line),
        Value::Sequence(nodes) => nodes.iter().try_for_each(|node| keys(node, content)),
        Value::Mapping(entries) => entries
            .iter()
            .try_for_each(|entry| keys(&entry.value, content)),
    }
}

#[cfg(test)]
mod tests;
