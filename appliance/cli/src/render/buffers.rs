//! `show system buffers`.

use ravelin_ctl::buffers::Buffers;
use std::fmt::Write;

/// The pools, and the packets that the workers made and joined.
pub(super) fn text(buffers: &Buffers) -> String {
    let mut out = format!(
        "{:<12}{:>10}{:>10}{:>10}\n",
        "Pool", "Buffers", "Free", "In use"
    );
    for pool in &buffers.pools {
        let in_use = pool.buffers.saturating_sub(pool.free);
        let _ = writeln!(
            out,
            "{:<12}{:>10}{:>10}{:>10}",
            pool.name, pool.buffers, pool.free, in_use
        );
    }
    let _ = writeln!(out, "\n{:<32}{:>20}", "Packets made", buffers.made);
    let _ = writeln!(out, "{:<32}{:>20}", "Fragments joined", buffers.joined);
    out
}
