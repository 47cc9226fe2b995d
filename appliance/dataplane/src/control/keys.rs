//! The keys of a pair, expanded for the engine of the worker that will own it.

use ravelin_ctl::sa::{InstallError, SaPair};
use ravelin_esp::engine::{KeyOrder, Service, WhyCpu};
use ravelin_esp::{CryptoEngine, Direction, KeyError, Keys, SALT_OCTETS};
use ravelin_types::IpsecProtocol;

use crate::platform::{Key, Maker, Platform};

/// One direction's key, for its owner's engine, with its salt and where it is served.
pub(super) fn make<P: Platform>(
    maker: &Maker<P>,
    sa: &SaPair,
    direction: Direction,
    worker: u8,
) -> Result<(Key<P>, [u8; SALT_OCTETS], Service), InstallError> {
    let refused = |error| match error {
        KeyError::Transform => InstallError::NoAlgorithm,
        KeyError::Length | KeyError::Full => InstallError::BadKey,
    };
    let half = match direction {
        Direction::Encrypt => &sa.outbound,
        Direction::Decrypt => &sa.inbound,
    };
    let (keys, salt) = Keys::split(sa.transform, half.key.expose()).map_err(refused)?;
    let order = KeyOrder {
        transform: sa.transform,
        direction,
        extended: sa.extended_sequence,
        worker,
        keys,
    };
    // Devices expect ESP.
    let (key, service) = match sa.protocol {
        IpsecProtocol::Esp => P::Engine::make(maker, &order),
        IpsecProtocol::Ah => {
            P::Engine::expand(sa.transform, keys).map(|key| (key, Service::Cpu(WhyCpu::Algorithm)))
        }
    }
    .map_err(refused)?;
    Ok((key, salt, service))
}
