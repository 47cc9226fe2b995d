//! The test bench: network namespaces, peers, captures and traffic, for the system tests and the demo.
//!
//! It runs as root inside the private mount and pid namespace that `./x` makes, so that nothing it leaves behind outlives
//! the run. Everything is judged from outside the gateway: captures on the links and the peers' own counters.
#![forbid(unsafe_code)]

pub mod account;
pub mod blast;
pub mod capture;
pub mod demo;
pub mod doom;
pub mod error;
pub mod flood;
pub mod frame;
pub mod frr;
pub mod gateway;
pub mod kernelless;
pub mod libreswan;
pub mod middle;
pub mod monitor;
pub mod nat;
pub mod netns;
pub mod nonces;
pub mod openiked;
pub mod ova;
pub mod pair;
pub mod probe;
pub mod process;
pub mod pty;
pub mod rate;
pub mod sbom;
pub mod seen;
pub mod site;
pub mod steady;
pub mod strongswan;
pub mod traffic;
pub mod vm;
pub mod wait;
pub mod watch;

pub use error::BenchError;
pub use ravelin_qemu::pcap;

/// Result of the bench.
pub type Result<T> = std::result::Result<T, BenchError>;

/// Empty folder for logs and captures of this run: `RAVELIN_ARTIFACTS`, else a folder under the system's temporary folder.
///
/// # Errors
/// When it cannot be made.
pub fn artifacts(test: &str) -> Result<std::path::PathBuf> {
    let base = std::env::var_os("RAVELIN_ARTIFACTS").map_or_else(
        || std::env::temp_dir().join("ravelin-artifacts"),
        std::path::PathBuf::from,
    );
    let folder = base.join(test);
    // A vault or a log of an earlier run would be taken for this one's.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|e| BenchError::io(format!("remove {}", folder.display()), e))?;
    }
    std::fs::create_dir_all(&folder)
        .map_err(|e| BenchError::io(format!("make {}", folder.display()), e))?;
    Ok(folder)
}

/// Empty folder for the sockets and the state of what runs in namespace `name`. It is short wherever the checkout lies: the path of
/// a Unix socket holds 107 octets (unix(7)). On the tmpfs `/run`, as on the appliance; it goes with the run's mount namespace.
///
/// # Errors
/// When it cannot be made.
pub fn runtime_folder(name: &str) -> Result<std::path::PathBuf> {
    let folder = std::path::Path::new("/run/ravelin-bench").join(name);
    std::fs::create_dir_all(&folder)
        .map_err(|e| BenchError::io(format!("make {}", folder.display()), e))?;
    Ok(folder)
}
