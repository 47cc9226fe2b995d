//! The machine that was measured on.

use serde_json::{Value, json};

use crate::peer::ordinary_pages;

/// A field of the first CPU in /proc/cpuinfo.
fn cpu(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == field).then(|| value.trim().to_owned())
    });
    value.unwrap_or_default()
}

/// Of the machine; the benchmark itself is bound to some.
pub fn cpus() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("processor"))
        .count()
}

fn pages() -> &'static str {
    if ordinary_pages() {
        "ordinary pages"
    } else {
        "2 MB pages"
    }
}

/// One line for a person.
pub fn text(code: &str, ghz: f64) -> String {
    format!(
        "machine: {}, {} CPUs, TSC {ghz:.2} GHz, {}; ipsec-mb uses {code}\n",
        cpu("model name"),
        cpus(),
        pages()
    )
}

pub fn json(code: &str, ghz: f64) -> Value {
    json!({
        "model": cpu("model name"),
        "flags": cpu("flags"),
        "cpus": cpus(),
        "tsc_ghz": ghz,
        "pages": pages(),
        "ipsec_mb": code,
    })
}
