//! Transport mode (RFC 7296 section 1.3.1) and AH.

use std::time::Duration;

use ravelin_types::{EspEncr, EspInteg, IpsecMode, IpsecProtocol};

use super::*;
use crate::Reason;
use crate::event::DownReason;
use crate::proposal::EspSuite;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn any() -> Vec<SelectorPair> {
    let (local, remote) = (ts("0.0.0.0/0"), ts("0.0.0.0/0"));
    vec![SelectorPair { local, remote }]
}

fn with(mut gateway: Gateway, mode: IpsecMode) -> Gateway {
    for vpn in &mut gateway.vpns {
        (vpn.mode, vpn.selectors) = (mode, any());
    }
    gateway
}

fn pair(a: IpsecMode, b: IpsecMode) -> World {
    World::new(1, config(with(peer(), a)), config(with(gateway(), b)))
}

fn modes(w: &World) -> Vec<(IpsecMode, IpsecProtocol)> {
    let pairs = w.a.plane.values().chain(w.b.plane.values());
    pairs
        .map(|p| (p.install.mode, p.install.protocol))
        .collect()
}

/// Rekeys the only child from either side, one after the other.
fn rekey_twice(w: &mut World) {
    let (now, child) = (w.now, *w.a.plane.keys().next().unwrap());
    assert!(w.a.endpoint.rekey_child(child, now));
    w.pump();
    w.run_for(seconds(10));
    let (now, child) = (w.now, *w.b.plane.keys().next().unwrap());
    assert!(w.b.endpoint.rekey_child(child, now));
    w.pump();
    w.run_for(seconds(10));
    w.check_agreement();
}

#[test]
fn transport_mode_is_between_the_outer_addresses_and_stays_so() {
    let mut w = pair(IpsecMode::Transport, IpsecMode::Transport);
    w.establish();
    for _ in 0..2 {
        assert_eq!(modes(&w), [(IpsecMode::Transport, IpsecProtocol::Esp); 2]);
        let installed = &w.b.plane.values().next().unwrap().install;
        assert_eq!(installed.local_ts, [ts("192.0.2.2/32")]);
        assert_eq!(installed.remote_ts, [ts("192.0.2.1/32")]);
        rekey_twice(&mut w);
    }
}

#[test]
fn tunnel_mode_is_the_answer_of_who_knows_nothing_else() {
    let mut w = pair(IpsecMode::Transport, IpsecMode::Tunnel);
    w.pump();
    w.run_for(seconds(3));
    // Section 1.3.1: "If this is unacceptable to the initiator, the initiator MUST delete the SA."
    let refused = Reason::NotOffered("tunnel mode");
    assert_eq!(w.a.failures[0].reason, refused, "{}", w.explain());
    assert!(w.a.plane.is_empty() && w.b.plane.is_empty());
    assert_eq!(w.b.downs()[0], DownReason::PeerDeleted);
}

#[test]
fn a_vpn_for_transport_mode_is_no_tunnel() {
    let mut w = pair(IpsecMode::Tunnel, IpsecMode::Transport);
    w.pump();
    w.run_for(seconds(3));
    // The peer asks for everything, so what is left of the addresses would fit; the mode does not.
    assert_eq!(w.b.failures[0].reason, Reason::TransportOnly("ran".into()));
    assert!(w.a.plane.is_empty() && w.b.plane.is_empty());
    assert_eq!(w.b.up().len(), 1, "the IKE SA stands");
}

#[test]
fn neither_goes_through_a_nat() {
    let ah = |g: Gateway| with_proposals(g, &[ah_sha256()]);
    for (a, b) in [
        (
            with(peer(), IpsecMode::Transport),
            with(gateway(), IpsecMode::Transport),
        ),
        (ah(peer()), ah(gateway())),
    ] {
        let mut w = World::new(2, config(a), config(b));
        w.link.nat = Some((address(77), 1000));
        w.pump();
        w.run_for(seconds(3));
        assert_eq!(w.b.failures[0].reason, Reason::BehindNat("ran".into()));
        assert!(w.b.plane.is_empty());
    }
}

fn ah_sha256() -> EspProposal {
    EspProposal {
        protocol: IpsecProtocol::Ah,
        transform: EspTransform::new(EspEncr::Null, Some(EspInteg::HmacSha256_128)).unwrap(),
        ..vpn().proposals[0]
    }
}

fn ah_gmac() -> EspProposal {
    EspProposal {
        transform: EspTransform::new(EspEncr::Aes256Gmac, None).unwrap(),
        extended_sequence: true,
        ..ah_sha256()
    }
}

fn with_proposals(mut gateway: Gateway, proposals: &[EspProposal]) -> Gateway {
    for vpn in &mut gateway.vpns {
        vpn.proposals = proposals.to_vec();
    }
    gateway
}

#[test]
fn ah_is_negotiated_rekeyed_and_deleted_by_its_own_spis() {
    let esp = vpn().proposals[0];
    for (a, b, wanted) in [
        (vec![ah_sha256()], vec![esp, ah_sha256()], ah_sha256()),
        (vec![esp, ah_gmac()], vec![ah_gmac()], ah_gmac()),
        (vec![ah_gmac(), esp], vec![esp], esp),
        (
            vec![ah_sha256(), ah_gmac()],
            vec![ah_sha256(), ah_gmac()],
            ah_sha256(),
        ),
    ] {
        let (a, b) = (with_proposals(peer(), &a), with_proposals(gateway(), &b));
        let mut w = World::new(3, config(a), config(b));
        w.establish();
        rekey_twice(&mut w);
        for pair in w.a.plane.values().chain(w.b.plane.values()) {
            let (p, transform) = (&pair.install, wanted.transform);
            assert_eq!((p.protocol, p.transform), (wanted.protocol, transform));
            assert_eq!(p.extended_sequence, wanted.extended_sequence);
            let cipher = transform.encr().keymat_octets();
            assert_eq!(p.inbound.encr_key.as_bytes().len(), cipher);
            let integrity = transform.keymat_octets() - cipher;
            assert_eq!(p.outbound.integ_key.as_bytes().len(), integrity);
        }
        w.crash(super::world::Side::B);
        w.run_for(seconds(1));
        w.check_agreement();
        let (now, child) = (w.now, *w.b.plane.keys().next().unwrap());
        w.b.endpoint.close_child(child, now);
        w.pump();
        w.run_for(Duration::from_millis(50));
        assert!(
            w.a.plane.is_empty() && w.b.plane.is_empty(),
            "{}",
            w.explain()
        );
    }
}

#[test]
fn no_protocol_stands_for_the_other() {
    let (a, b) = (with_proposals(peer(), &[ah_sha256()]), gateway());
    let mut w = World::new(4, config(a), config(b));
    w.pump();
    w.run_for(seconds(3));
    assert!(matches!(w.b.failures[0].reason, Reason::Proposal(_)));
    assert!(w.b.plane.is_empty());
}

#[test]
fn a_suite_is_stored_with_its_protocol() {
    for proposal in [ah_sha256(), ah_gmac(), vpn().proposals[0]] {
        let stored = postcard::to_extend(&proposal.suite(), Vec::new()).unwrap();
        let again: EspSuite = postcard::from_bytes(&stored).unwrap();
        assert_eq!(again, proposal.suite());
    }
}
