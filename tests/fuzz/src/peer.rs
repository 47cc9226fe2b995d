//! A peer with the keys: it runs IKE_SA_INIT against an endpoint once, and with a pre-shared key IKE_AUTH too, with a key schedule of its
//! own, and keeps the endpoint's journal. Each input then meets an endpoint restored from that, in the same state.

use ravelin_crypto::{DhPrivate, Secret, SkCipher, Zeroizing, prf, prf_plus};
use ravelin_ike::config::{
    EspProposal, Gateway, IkeProposal, Limits, LocalProof, PeerProof, PreSharedKeys, RemotePeer,
    SelectorPair, Vpn,
};
use ravelin_ike::msg::auth::Auth;
use ravelin_ike::msg::id::Id;
use ravelin_ike::msg::ke::Ke;
use ravelin_ike::msg::nonce::Nonce;
use ravelin_ike::msg::notify::{Notify, kind};
use ravelin_ike::msg::sa::{Proposal, Sa, Transform};
use ravelin_ike::msg::ts::{Range, Selector, Ts};
use ravelin_ike::msg::{ExchangeType, Header, Message, Payload, sk, skf};
use ravelin_ike::{
    Authority, Config, Datagram, Endpoint, Environment, EnvironmentError, EventKind, NoAuthority,
    RecordOp, TOKEN_SECRET_OCTETS, Transmit,
};
use ravelin_types::{
    AdditionalKe, DhGroup, EspTransform, Identity, IkeEncr, IkeSuite, NodeId, Prf, SecretBytes,
    Spi, Time, TrafficSelector, VrfId,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const PSK: &[u8] = b"known to the fuzzer";
const PRF: Prf = Prf::HmacSha256;
const ENCR: IkeEncr = IkeEncr::Aes256Gcm;
const ESP: EspTransform = EspTransform::AES_256_GCM;
const SPI_I: u64 = 0x0102_0304_0506_0708;
const NONCE_I: [u8; 32] = [9; 32];
const IV: [u8; 8] = [5; 8];
pub const IKE_SA_INIT: u8 = 34;
pub const IKE_AUTH: u8 = 35;

/// Octets without end, the same in each run.
pub struct Env(u64);

impl Environment for Env {
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError> {
        for octet in out {
            *octet = self.ike_spi()? as u8;
        }
        Ok(())
    }

    fn ike_spi(&mut self) -> Result<u64, EnvironmentError> {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        Ok(self.0 >> 11 | 1)
    }

    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError> {
        let slot = (self.ike_spi()? & 0xffff) as u32;
        Spi::compose(NodeId::default(), slot, 300).ok_or(EnvironmentError::NoSpi)
    }

    fn release_child_spi(&mut self, _: Spi) {}

    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError> {
        Ok(Zeroizing::new([7; TOKEN_SECRET_OCTETS]))
    }
}

/// The records of each subject, in their order.
pub type Journal = BTreeMap<u64, Vec<Vec<u8>>>;

/// What the peer holds after the handshake.
pub struct Peer {
    config: Arc<Config>,
    journal: Journal,
    pub spi_r: u64,
    to_endpoint: SkCipher,
    from_endpoint: SkCipher,
    authority: Box<dyn Authority>,
    /// What AUTH of the peer covers: its first message, the nonce of the endpoint, and SK_pi.
    init: Vec<u8>,
    nonce_r: Vec<u8>,
    sk_pi: Secret,
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, host]), 500)
}

fn config((local_proof, peer_proof): (LocalProof, PeerProof)) -> Arc<Config> {
    let ts = |text: &str| TrafficSelector::from_prefix(text.parse().unwrap());
    let vpn = Vpn {
        name: "vpn".into(),
        mode: ravelin_types::IpsecMode::Tunnel,
        proposals: vec![EspProposal {
            protocol: ravelin_types::IpsecProtocol::Esp,
            transform: ESP,
            extended_sequence: false,
            lifetime_s: 3600,
            volume: ravelin_types::Volume::UNLIMITED,
        }],
        pfs: None,
        additional: AdditionalKe::NONE,
        selectors: vec![SelectorPair {
            local: ts("198.51.100.0/24"),
            remote: ts("10.45.0.0/16"),
        }],
        linger: Duration::from_secs(2),
        idle: None,
        establish_immediately: false,
    };
    let gateway = Gateway {
        name: "enb".into(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec![address(1).ip()],
        remote_addresses: None,
        remote: RemotePeer::HostnameSuffix("ran.example".into()),
        local_identity: Some(Identity::Fqdn("secgw.example".into())),
        proposals: vec![IkeProposal {
            suite: IkeSuite::new(ENCR, None, PRF, DhGroup::Curve25519).unwrap(),
            lifetime_s: 28_800,
        }],
        local_proof,
        peer_proof,
        keys: PreSharedKeys::shared(SecretBytes::new(PSK.to_vec())),
        dpd: None,
        nat_keepalive: None,
        always_port_4500: false,
        mobike: false,
        request_window: 1,
        reauth_frequency: 0,
        quick_crash_detection: false,
        connections: ravelin_ike::config::ConnectionLimits::default(),
        ppks: ravelin_ike::config::Ppks::default(),
        redirect: None,
        pool: None,
        vpns: vec![vpn],
    };
    Arc::new(Config {
        gateways: [Arc::new(gateway)].into_iter().collect(),
        limits: Limits::default(),
    })
}

fn deliver(
    endpoint: &mut Endpoint<Env>,
    data: &[u8],
    now: Time,
    journal: &mut Journal,
    authority: &dyn Authority,
) -> Vec<Transmit> {
    let datagram = Datagram {
        vrf: VrfId::DEFAULT,
        local: address(1),
        remote: address(2),
        data,
    };
    endpoint.handle(now, &datagram);
    pump(endpoint, now, journal, authority)
}

fn pump(
    endpoint: &mut Endpoint<Env>,
    now: Time,
    journal: &mut Journal,
    authority: &dyn Authority,
) -> Vec<Transmit> {
    loop {
        let mut quiet = true;
        while let Some(work) = endpoint.poll_work() {
            quiet = false;
            endpoint.complete(now, work.id, work.job.run(authority));
        }
        while let Some(record) = endpoint.poll_record() {
            match record.op {
                RecordOp::Put(octets) => {
                    drop(journal.insert(record.subject, vec![octets.to_vec()]))
                }
                RecordOp::Append(octets) => {
                    let written = journal.get_mut(&record.subject);
                    written
                        .expect("a whole record before it")
                        .push(octets.to_vec());
                }
                RecordOp::Remove => drop(journal.remove(&record.subject)),
            }
        }
        while let Some(event) = endpoint.poll_event() {
            quiet = false;
            if let EventKind::ChildInstall(install) = event.kind {
                endpoint.install_done(install.child, now);
            }
        }
        if quiet {
            return std::iter::from_fn(|| endpoint.poll_transmit()).collect();
        }
    }
}

fn proposal(protocol: u8, spi: Vec<u8>, transforms: Vec<Transform>) -> Payload {
    Payload::Sa(Sa {
        proposals: vec![Proposal {
            number: 1,
            protocol,
            spi,
            transforms,
        }],
    })
}

/// The SA, TSi and TSr payloads of a request for a child SA.
pub fn child_request(spi: u32) -> [Payload; 3] {
    let ts = |start: [u8; 4], end: [u8; 4]| Ts {
        selectors: vec![Selector::Range(Range {
            protocol: 0,
            port_start: 0,
            port_end: u16::MAX,
            start: start.into(),
            end: end.into(),
        })],
    };
    let transforms = vec![Transform::keyed(1, 20, 256), Transform::plain(5, 0)];
    [
        proposal(3, spi.to_be_bytes().to_vec(), transforms),
        Payload::TsI(ts([10, 45, 0, 1], [10, 45, 0, 1])),
        Payload::TsR(ts([198, 51, 100, 0], [198, 51, 100, 255])),
    ]
}

/// The SA payload of a request to rekey the IKE SA.
pub fn ike_request(spi: u64) -> Payload {
    let transforms = vec![
        Transform::keyed(1, 20, 256),
        Transform::plain(2, 5),
        Transform::plain(4, 31),
    ];
    let spi = if spi == 0 {
        Vec::new()
    } else {
        spi.to_be_bytes().to_vec()
    };
    proposal(1, spi, transforms)
}

fn header(spi_r: u64, exchange: u8, response: bool, message_id: u32) -> Header {
    Header {
        spi_i: SPI_I,
        spi_r,
        exchange: ExchangeType::from_id(exchange),
        initiator: true,
        response,
        message_id,
    }
}

impl Peer {
    /// Runs the handshake with a pre-shared key; panics when the endpoint does not agree, because then the target tests nothing.
    pub fn new() -> Self {
        let proofs = (LocalProof::PreSharedKey, PeerProof::PreSharedKey);
        let (mut peer, mut endpoint, now) = Self::open(proofs, Box::new(NoAuthority));
        let id = Id {
            kind: 2,
            reserved: [0; 3],
            data: b"enb1.ran.example".to_vec(),
        };
        let key = prf(PRF, PSK, &[b"Key Pad for IKEv2"]).unwrap();
        let data = prf(PRF, key.as_bytes(), &[&peer.signed_octets(&id)]).unwrap();
        let auth = Payload::Auth(Auth {
            method: 2,
            data: data.as_bytes().to_vec(),
        });
        let [sa, tsi, tsr] = child_request(0xc0de_0001);
        let payloads = [Payload::IdI(id), auth, sa, tsi, tsr];
        let request = sk::seal(
            &header(peer.spi_r, IKE_AUTH, false, 1),
            &payloads,
            &peer.to_endpoint,
            &IV,
        );
        let mut journal = std::mem::take(&mut peer.journal);
        peer.deliver(&mut endpoint, &request.unwrap(), now, &mut journal);
        assert!(endpoint.ike_sas().any(|sa| sa.established));
        assert_eq!(endpoint.child_sas().count(), 1);
        peer.journal = journal;
        peer
    }

    /// Runs IKE_SA_INIT with a gateway of these proofs.
    pub fn half_open(proofs: (LocalProof, PeerProof), authority: Box<dyn Authority>) -> Self {
        let (peer, endpoint, _) = Self::open(proofs, authority);
        assert_eq!(endpoint.ike_sas().count(), 1);
        peer
    }

    fn open(
        proofs: (LocalProof, PeerProof),
        authority: Box<dyn Authority>,
    ) -> (Self, Endpoint<Env>, Time) {
        let (config, mut journal, now) = (config(proofs), BTreeMap::new(), Time(1));
        let mut endpoint = Endpoint::new(Arc::clone(&config), Env(1), now).unwrap();
        let private = DhPrivate::generate(DhGroup::Curve25519).unwrap();
        // Ed25519 signs without a hash (RFC 8420 section 2): Identity, 5.
        let hashes = Notify::new(kind::SIGNATURE_HASH_ALGORITHMS, &[0, 2, 0, 5]);
        let init = Message {
            header: header(0, IKE_SA_INIT, false, 0),
            payloads: vec![
                ike_request(0),
                Payload::Ke(Ke {
                    group: 31,
                    public: private.public().to_vec(),
                }),
                Payload::Nonce(Nonce(NONCE_I.to_vec())),
                Payload::Notify(Notify::new(kind::FRAGMENTATION_SUPPORTED, &[])),
                Payload::Notify(hashes),
            ],
        }
        .emit();
        let answers = deliver(&mut endpoint, &init, now, &mut journal, &*authority);
        let answer = Message::parse(&answers[0].data).unwrap();
        let (mut public, mut nonce_r) = (Vec::new(), Vec::new());
        for payload in &answer.payloads {
            match payload {
                Payload::Ke(ke) => public.clone_from(&ke.public),
                Payload::Nonce(nonce) => nonce_r.clone_from(&nonce.0),
                _ => {}
            }
        }
        let spi_r = answer.header.spi_r;
        let shared = private.agree(&public).unwrap();
        let seed = [&NONCE_I[..], &nonce_r].concat();
        let skeyseed = prf(PRF, &seed, &[shared.as_bytes()]).unwrap();
        let spis = [SPI_I.to_be_bytes(), spi_r.to_be_bytes()].concat();
        let (p, e) = (PRF.key_octets(), ENCR.key_octets());
        let keys = prf_plus(PRF, skeyseed.as_bytes(), &[&seed, &spis], 3 * p + 2 * e).unwrap();
        let [_d, ei, er, pi, _pr] = keys.split([p, e, e, p, p]).unwrap();
        let cipher = |key: &[u8]| SkCipher::new(ENCR, None, key, &[]).unwrap();
        let peer = Self {
            config,
            journal,
            spi_r,
            to_endpoint: cipher(ei.as_bytes()),
            from_endpoint: cipher(er.as_bytes()),
            authority,
            init,
            nonce_r,
            sk_pi: pi,
        };
        (peer, endpoint, now)
    }

    /// InitiatorSignedOctets of this identity (RFC 7296 section 2.15).
    pub fn signed_octets(&self, id: &Id) -> Vec<u8> {
        let maced = prf(PRF, self.sk_pi.as_bytes(), &[&id.body()]).unwrap();
        [&self.init[..], &self.nonce_r, maced.as_bytes()].concat()
    }

    /// Feeds a datagram and does what the daemon does until nothing is left.
    pub fn deliver(
        &self,
        endpoint: &mut Endpoint<Env>,
        data: &[u8],
        now: Time,
        journal: &mut Journal,
    ) -> Vec<Transmit> {
        deliver(endpoint, data, now, journal, &*self.authority)
    }

    /// Does what the daemon does until nothing is left.
    pub fn pump(
        &self,
        endpoint: &mut Endpoint<Env>,
        now: Time,
        journal: &mut Journal,
    ) -> Vec<Transmit> {
        pump(endpoint, now, journal, &*self.authority)
    }

    /// An endpoint in the state after what was said, and its journal.
    pub fn restored(&self, now: Time) -> (Endpoint<Env>, Journal) {
        let mut endpoint = Endpoint::new(Arc::clone(&self.config), Env(2), now).unwrap();
        let report = endpoint.restore(self.journal.values(), now);
        assert_eq!((report.sessions, report.failed.len()), (1, 0));
        (endpoint, self.journal.clone())
    }

    /// A message of the peer around `chain`.
    pub fn seal(&self, exchange: u8, response: bool, id: u32, first: u8, chain: &[u8]) -> Vec<u8> {
        let header = header(self.spi_r, exchange, response, id);
        sk::seal_raw(&header, first, chain, &self.to_endpoint, &IV).unwrap()
    }

    /// A message of the peer around `chain`, cut into so many fragments (RFC 7383).
    pub fn cut(
        &self,
        exchange: u8,
        response: bool,
        id: u32,
        first: u8,
        chain: &[u8],
        total: u16,
    ) -> Vec<Vec<u8>> {
        let header = header(self.spi_r, exchange, response, id);
        let room = chain.len().div_ceil(usize::from(total)).max(1);
        let mut pieces = chain.chunks(room);
        (1..=total)
            .map(|number| {
                let piece = pieces.next().unwrap_or_default();
                let place = (number, total);
                skf::seal(&header, first, place, piece, &self.to_endpoint, &IV).unwrap()
            })
            .collect()
    }

    /// Checks that what the endpoint says is a message, and when it is of this IKE SA, that the peer can read it.
    pub fn check(&self, data: &[u8]) {
        let message = Message::parse(data).unwrap();
        let ours = (message.header.spi_i, message.header.spi_r) == (SPI_I, self.spi_r);
        if let Some(sk) = message.sk().filter(|_| ours) {
            sk.open(data, &self.from_endpoint).unwrap();
        }
        if let Some(Payload::Skf(skf)) = message.payloads.last().filter(|_| ours) {
            skf.open(data, &self.from_endpoint).unwrap();
        }
    }
}
