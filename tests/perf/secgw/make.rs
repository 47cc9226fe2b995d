//! Compiles what is written in C: the hook, the bare loop, and ipsec-secgw from the source that Debian's dpdk-doc brings.

use std::path::{Path, PathBuf};
use std::process::Command;

use ravelin_tests::netns::run;

use crate::Failure;
use crate::peer::Programs;

/// Of dpdk-doc.
const EXAMPLES: &str = "/usr/share/dpdk/examples";
/// A switch that ipsec-secgw lacks: net_null checks no checksums, and it insists on that.
const CHECKSUMS_ON: &str = ".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,";
const CHECKSUMS_OFF: &str = ".offloads = 0,";
/// The last one wins; DPDK's own flags name an old CPU.
const NATIVE: &str = "-march=native";

/// Where the sources of this benchmark are.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/secgw")
}

/// Compiles everything into `folder`.
pub fn all(folder: &Path) -> Result<Programs, Failure> {
    let hook = folder.join("hook.so");
    let floor = folder.join("floor");
    compile("hook.c", &hook, &["-shared", "-fPIC"], "--cflags")?;
    compile("floor.c", &floor, &[], "--libs")?;
    Ok(Programs {
        secgw: secgw(folder)?,
        floor,
        hook,
    })
}

fn compile(source: &str, out: &Path, flags: &[&str], wanted: &str) -> Result<(), Failure> {
    let dpdk = |what: &str| -> Result<Vec<String>, Failure> {
        let words = run(Command::new("pkg-config").args([what, "libdpdk"]))?;
        Ok(words.split_whitespace().map(str::to_owned).collect())
    };
    let mut command = Command::new("cc");
    command
        .args(["-O3", "-Wall", "-Wextra", "-Werror"])
        .args(flags)
        .args(dpdk("--cflags")?)
        .arg(NATIVE)
        .arg(sources().join(source))
        .arg("-o")
        .arg(out);
    if wanted == "--libs" {
        command.args(dpdk("--libs")?);
    }
    run(&mut command)?;
    Ok(())
}

fn secgw(folder: &Path) -> Result<PathBuf, Failure> {
    let source = folder.join("ipsec-secgw");
    run(Command::new("cp")
        .arg("-r")
        .args(["ipsec-secgw", "common"].map(|name| format!("{EXAMPLES}/{name}")))
        .arg(folder))?;
    let path = source.join("ipsec-secgw.c");
    let failed = |error| Failure::File {
        path: path.clone(),
        error,
    };
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    if !text.contains(CHECKSUMS_ON) {
        return Err(Failure::PeerSource);
    }
    std::fs::write(&path, text.replace(CHECKSUMS_ON, CHECKSUMS_OFF)).map_err(failed)?;
    // Behind the Makefile's own flags.
    run(Command::new("make")
        .arg("-C")
        .arg(&source)
        .args(["shared", &format!("LDFLAGS={NATIVE}")]))?;
    Ok(source.join("build/ipsec-secgw-shared"))
}
