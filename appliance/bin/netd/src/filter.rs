//! The kernel's own packet filter, by nft: whatever a sysctl says, the kernel forwards nothing, and an interface that planed does not
//! serve (management, `fxp0`) is a network of its own (decision D3).
//!
//! The twins are the only TAP and TUN devices of the host, so the rules tell them by their kind and need no list:
//!
//! ```text
//!   forward   nothing, neither between twins while planed is dead nor from or to the management interface
//!   input     elsewhere than on a twin: only for addresses of the interface itself, never for an IKE address of a twin or of lo
//!   output    elsewhere than by a twin: only from addresses of the interface itself, so that no answer of a twin's address strays
//! ```
//! A table outlives netd, as the twins do. The appliance has its management interface in a VRF as well, where each packet passes twice:
//! by the VRF's own device, whose table alone says what is local there, and by the interface, which is judged here. A VRF needs a kernel
//! module that not every kernel has, so nothing rests on it.

use ravelin_platform::nft;

use crate::error::Error;

/// The table, in family `inet`.
const TABLE: &str = "ravelin_host";

/// Adding the table first makes its deletion succeed in any case; nft applies a file as one transaction.
const RULES: &str = r#"table inet ravelin_host
delete table inet ravelin_host
table inet ravelin_host {
 chain forward {
  type filter hook forward priority filter; policy drop;
 }
 chain input {
  type filter hook input priority filter; policy accept;
  iifname "lo" accept
  meta iifkind { "tun", "vrf" } accept
  fib daddr . iif type != { local, broadcast, anycast, multicast } counter drop
 }
 chain output {
  type filter hook output priority filter; policy accept;
  oifname "lo" accept
  meta oifkind { "tun", "vrf" } accept
  ip saddr 0.0.0.0 accept
  ip6 saddr :: accept
  fib saddr . oif type != local counter drop
 }
}
"#;

/// Puts the rules in place of whatever the table held.
///
/// # Errors
/// [`Error::Filter`] with nft's words.
pub fn install() -> Result<(), Error> {
    nft::apply(RULES).map_err(|refused| Error::Filter {
        reason: refused.to_string(),
    })
}

/// Whether the table is there.
pub fn is_installed() -> bool {
    nft::has_table("inet", TABLE)
}
