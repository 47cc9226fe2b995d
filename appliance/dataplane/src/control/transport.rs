//! Which pairs may work in transport mode, and which with AH.

use ravelin_ctl::sa::{InstallError, SaPair};
use ravelin_types::{IpsecMode, IpsecProtocol, TrafficSelector};
use std::net::IpAddr;

/// Refuses a pair in transport mode whose packets could not keep their header, and one behind a NAT: the checksums inside would be those of
/// other addresses (RFC 3948 section 3.1.2). And a pair of AH behind a NAT, or with a cipher.
pub(super) fn check(sa: &SaPair) -> Result<(), InstallError> {
    if sa.protocol == IpsecProtocol::Ah {
        if sa.outer.udp.is_some() {
            return Err(InstallError::AhNat);
        }
        if !sa.transform.encr().is_cleartext() {
            return Err(InstallError::AhTransform);
        }
    }
    if sa.mode == IpsecMode::Tunnel {
        return Ok(());
    }
    if sa.outer.udp.is_some() {
        return Err(InstallError::TransportNat);
    }
    let only = |selectors: &[TrafficSelector], end: IpAddr| {
        (selectors.iter()).all(|selector| (selector.first, selector.last) == (end, end))
    };
    let between = only(&sa.local_ts, sa.outer.local) && only(&sa.remote_ts, sa.outer.remote);
    if between && sa.inner_vrf == sa.outer.vrf {
        Ok(())
    } else {
        Err(InstallError::TransportEnds)
    }
}
