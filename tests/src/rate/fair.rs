//! What makes a measurement worthless: packets that got lost or came out as something else, and another program than the one built.

/// One packet of so many may be lost in a pass, for a process that the machine's other work has pushed aside.
pub const LOSS_MOST: u64 = 1000;

/// Why a measurement does not count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfair {
    /// Packets got lost.
    #[error("{came} of {sent} packets came out")]
    Lost {
        /// Packets that went in.
        sent: u64,
        /// Packets that came out.
        came: u64,
    },
    /// In clear, too long or too short.
    #[error("what came out has {came} octets instead of {wanted}")]
    Octets {
        /// Octets that came out.
        came: u64,
        /// Octets that should have.
        wanted: u64,
    },
    /// Another program.
    #[error("the program that runs has SHA-256 {runs}, the one that was built {built}")]
    Binary {
        /// Digest of what runs.
        runs: String,
        /// Digest of what was built.
        built: String,
    },
}

/// Packets and octets that should come out of a pass, and that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Packets that went in.
    pub packets: u64,
    /// Octets of them when all come out as they should.
    pub octets: u64,
    /// Packets that came out.
    pub came_packets: u64,
    /// Their octets.
    pub came_octets: u64,
}

/// Whether everything came out as it should, but for one in [`LOSS_MOST`].
///
/// # Errors
/// What is missing.
pub fn check_passed(passed: &Passed) -> Result<(), Unfair> {
    if passed.came_packets + passed.packets / LOSS_MOST < passed.packets {
        return Err(Unfair::Lost {
            sent: passed.packets,
            came: passed.came_packets,
        });
    }
    if passed.came_octets.abs_diff(passed.octets) > passed.octets / LOSS_MOST {
        return Err(Unfair::Octets {
            came: passed.came_octets,
            wanted: passed.octets,
        });
    }
    Ok(())
}

/// Whether the program that runs is the one that was built.
///
/// # Errors
/// Both digests.
pub fn check_binary(runs: &str, built: &str) -> Result<(), Unfair> {
    if runs == built && !runs.is_empty() {
        return Ok(());
    }
    Err(Unfair::Binary {
        runs: runs.to_owned(),
        built: built.to_owned(),
    })
}
