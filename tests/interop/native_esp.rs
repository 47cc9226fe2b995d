//! Native ESP, protocol 50, and AH, against an independent implementation (scapy): AES-GCM in the four combinations of inner and outer family,
//! the other shapes of algorithms in one each, half of all with extended sequence numbers; and some of them in transport mode between
//! the gateway itself and its peer. The test plays iked on planed's control socket and installs the SAs itself.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_ctl::sa::{DfBit, FromPlaned, Outbound, Outer, Reply, Request, SaHalf, SaPair};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::run;
use ravelin_tests::site::{Addresses, CONFIGURATION, Site, V4, V6};
use ravelin_tests::wait::wait_until;
use ravelin_types::{
    EspEncr, EspInteg, EspTransform, InstanceId, IpsecMode, IpsecProtocol, NodeId, PairId, Prefix,
    SecretBytes, Spi, TrafficSelector, VrfId,
};
use std::time::Duration;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/esp_peer.py");
const PINGS: usize = 20;
/// The peer's SPI, any above 255.
const PEER_SPI: u32 = 0xc0ff_ee00;

fn request(planed: &mut Stream, id: u32, body: Request) -> Reply {
    planed.send(&Envelope { id, body }).unwrap();
    loop {
        let answer: Envelope<FromPlaned> = planed.receive().unwrap();
        if let (true, FromPlaned::Reply(reply)) = (answer.id == id, answer.body) {
            return reply;
        }
    }
}

fn key(transform: EspTransform, seed: u8) -> Vec<u8> {
    (0..transform.keymat_octets())
        .map(|i| seed.wrapping_mul(31).wrapping_add(i as u8))
        .collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

fn pair(number: u32, transform: EspTransform, outer: Addresses, inner: Addresses) -> SaPair {
    let host = |address| vec![TrafficSelector::from_prefix(Prefix::host(address))];
    SaPair {
        pair: PairId(number.into()),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: outer.gateway_outer,
            remote: outer.enb_outer,
            udp: None,
        },
        transform,
        protocol: IpsecProtocol::Esp,
        mode: if inner.core == outer.gateway_outer {
            IpsecMode::Transport
        } else {
            IpsecMode::Tunnel
        },
        extended_sequence: false,
        inbound: SaHalf {
            spi: Spi::compose(NodeId::default(), number, 0x123).unwrap(),
            key: SecretBytes::new(key(transform, number as u8)),
        },
        outbound: SaHalf {
            spi: Spi(PEER_SPI + number),
            key: SecretBytes::new(key(transform, number as u8 + 100)),
        },
        state: Outbound::Active,
        life: ravelin_types::VolumeLife::default(),
        ceilings: ravelin_types::Numbers::FIRST,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: host(inner.core),
        remote_ts: host(inner.enb_inner),
        replay_window: 512,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

/// scapy's names of cipher and integrity, and the octets of the integrity key.
fn scapy_names(transform: EspTransform) -> [String; 3] {
    use EspEncr as E;
    let cipher = match transform.encr() {
        E::Aes128Cbc | E::Aes192Cbc | E::Aes256Cbc => "AES-CBC",
        E::Aes128Ctr | E::Aes192Ctr | E::Aes256Ctr => "AES-CTR",
        E::Aes128Gmac | E::Aes192Gmac | E::Aes256Gmac => "AES-NULL-GMAC",
        E::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        _ => "AES-GCM",
    };
    let (auth, octets) = match transform.integ() {
        None => ("NULL", 0),
        Some(integ) => {
            let name = match integ {
                EspInteg::HmacMd5_96 => "HMAC-MD5-96",
                EspInteg::HmacSha1_96 => "HMAC-SHA1-96",
                EspInteg::HmacSha256_128 => "SHA2-256-128",
                EspInteg::HmacSha384_192 => "SHA2-384-192",
                EspInteg::HmacSha512_256 => "SHA2-512-256",
            };
            (name, integ.key_octets())
        }
    };
    [cipher.to_owned(), auth.to_owned(), octets.to_string()]
}

/// The gateway itself and its peer, who need no addresses but the outer ones.
fn themselves(outer: Addresses) -> Addresses {
    Addresses {
        enb_inner: outer.enb_outer,
        core: outer.gateway_outer,
        ..outer
    }
}

/// AES-GCM in all families, the others in one each; and some in transport mode.
fn esp_cases() -> Vec<(EspTransform, Addresses, Addresses)> {
    let families = [(V4, V4), (V4, V6), (V6, V4), (V6, V6)];
    let gcm = [EspTransform::AES_128_GCM, EspTransform::AES_256_GCM];
    let all = gcm
        .into_iter()
        .flat_map(|transform| families.map(|(o, i)| (transform, o, i)));
    let others = [
        (EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)),
        (EspEncr::Aes128Cbc, Some(EspInteg::HmacSha1_96)),
        (EspEncr::Aes192Ctr, Some(EspInteg::HmacSha512_256)),
        (EspEncr::ChaCha20Poly1305, None),
        (EspEncr::Aes256Gmac, None),
        (EspEncr::Aes128Gmac, None),
    ];
    let others = others.iter().zip(families.iter().cycle());
    let others =
        others.map(|((encr, integ), (o, i))| (EspTransform::new(*encr, *integ).unwrap(), *o, *i));
    let mut cases: Vec<_> = all.chain(others).collect();
    // The last of AES-GCM, and the first of the others, which have an HMAC.
    let gcm_and_others = cases[2 * families.len() - 1..].iter().take(4);
    let mut transport: Vec<_> = gcm_and_others
        .zip([V6, V4, V6, V4])
        .map(|((transform, ..), outer)| (*transform, outer, themselves(outer)))
        .collect();
    cases.append(&mut transport);
    cases
}

/// AH in both modes and families, under half of its algorithms.
fn ah_cases() -> Vec<(EspTransform, Addresses, Addresses)> {
    [
        (EspInteg::HmacSha256_128, V4, V4),
        (EspInteg::HmacSha512_256, V6, V4),
        (EspInteg::HmacSha1_96, V6, themselves(V6)),
        (EspInteg::HmacSha384_192, V4, themselves(V4)),
    ]
    .map(|(integ, o, i)| (EspTransform::new(EspEncr::Null, Some(integ)).unwrap(), o, i))
    .to_vec()
}

#[test]
fn scapy_speaks_every_algorithm_in_every_family() {
    let site = Site::new("native_esp").unwrap();
    // scapy speaks for addresses that the kernel owns too: its "protocol unreachable" must not join in.
    site.enb
        .sh("nft add table inet quiet
             nft add chain inet quiet out '{ type filter hook output priority 0; }'
             nft add rule inet quiet out icmp type destination-unreachable drop
             nft add rule inet quiet out icmpv6 type { destination-unreachable, parameter-problem } drop")
        .unwrap();
    // In transport mode the peer's own address is protected.
    let ours = "protected-prefix [ 10.45.0.0/16 2001:db8:45::/48 ]";
    let and_peer = format!(
        "protected-prefix [ 10.45.0.0/16 2001:db8:45::/48 {}/32 {}/128 ]",
        V4.enb_outer, V6.enb_outer
    );
    let configuration = CONFIGURATION.replace(ours, &and_peer);
    assert_ne!(configuration, CONFIGURATION);
    let gateway = Gateway::start_some(
        &site.gw,
        site.folder(),
        &configuration,
        &["netd", "planed", "mgmtd"],
    )
    .unwrap();
    let socket = gateway.socket("planed");
    let hello = Hello::new(Role::Iked, InstanceId(1));
    let mut planed = wait_until("planed's socket", Duration::from_secs(30), || {
        Ok(Stream::connect(&socket, &hello, Role::Planed).ok())
    })
    .unwrap();
    request(&mut planed, 1, Request::SyncDone);
    let outer_link = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();

    let mut number = 0;
    let esp = esp_cases()
        .into_iter()
        .map(|case| (IpsecProtocol::Esp, case));
    let ah = ah_cases().into_iter().map(|case| (IpsecProtocol::Ah, case));
    for (protocol, (transform, outer, inner)) in esp.chain(ah) {
        number += 1;
        let mut sa = pair(number, transform, outer, inner);
        sa.protocol = protocol;
        // Half of them with extended sequence numbers, each shape of integrity among them.
        sa.extended_sequence = number % 2 == 0;
        wait_until("planed to accept the pair", Duration::from_secs(30), || {
            let reply = request(&mut planed, 10 * number, Request::Install(vec![sa.clone()]));
            let Reply::Installed(results) = reply else {
                panic!("{reply:?}")
            };
            Ok(results[0].1.is_ok().then_some(()))
        })
        .unwrap();
        let mut peer = site.enb.command("python3");
        peer.arg(PEER).arg("enb0");
        peer.args(
            [
                outer.enb_outer,
                outer.gateway_outer,
                inner.enb_inner,
                inner.core,
            ]
            .map(|a| a.to_string()),
        );
        peer.args([sa.inbound.spi.0.to_string(), sa.outbound.spi.0.to_string()]);
        peer.args([
            hex(sa.inbound.key.expose()),
            hex(sa.outbound.key.expose()),
            PINGS.to_string(),
        ]);
        peer.args(scapy_names(transform));
        peer.arg(u8::from(sa.extended_sequence).to_string());
        peer.arg(if protocol == IpsecProtocol::Ah {
            "ah"
        } else {
            "esp"
        });
        run(&mut peer).unwrap();
        let counters = request(
            &mut planed,
            10 * number + 1,
            Request::Counters(vec![sa.pair]),
        );
        let Reply::Counters(counters) = counters else {
            panic!("{counters:?}")
        };
        assert_eq!(
            (counters[0].in_packets, counters[0].out_packets),
            (PINGS as u64, PINGS as u64)
        );
        request(
            &mut planed,
            10 * number + 2,
            Request::Remove {
                pair: sa.pair,
                linger_ms: 0,
            },
        );
    }
    let kinds = outer_link.finish().unwrap().kinds();
    assert_eq!(
        (kinds.get(&Kind::Esp), kinds.get(&Kind::Ah)),
        (
            Some(&(esp_cases().len() * 2 * PINGS)),
            Some(&(ah_cases().len() * 2 * PINGS))
        ),
        "{kinds:?}"
    );
    assert_eq!(
        (kinds.get(&Kind::EspInUdp), kinds.get(&Kind::Cleartext)),
        (None, None),
        "{kinds:?}"
    );
}
