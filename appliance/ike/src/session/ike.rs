//! One IKE SA: its keys, its window, and the protection of its messages (RFC 7296 section 3.14, RFC 7383).

use ravelin_crypto::{SkCipher, Zeroizing};
use ravelin_types::{IkeSuite, Spi, Time};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::error::Fault;
use crate::fragment::{self, Joining};
use crate::keymat::IkeKeys;
use crate::msg::header::HEADER_OCTETS;
use crate::msg::{ExchangeType, Header, Payload, Whole, covered, sk, skf};
use crate::sa::child::Requested;
use crate::sa::{Exchange, State, Task};
use crate::stats::Discard;
use crate::window::{Datagrams, Window};

/// An authentic message from its payloads; `data` is its datagram, or that of one of its fragments.
fn whole(header: &Header, data: &[u8], first: u8, chain: &[u8], base: usize) -> Whole {
    let signed = header.exchange == ExchangeType::IkeIntermediate;
    let critical = data.get(HEADER_OCTETS + 1).copied().unwrap_or(0);
    Whole {
        payloads: sk::parse_inner(first, chain, base),
        covered: if signed {
            covered(data, critical, first, chain)
        } else {
            Zeroizing::default()
        },
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IkeSa {
    pub(crate) id: u64,
    pub(crate) spi_i: u64,
    pub(crate) spi_r: u64,
    /// We are the original initiator of this IKE SA.
    pub(crate) initiator: bool,
    pub(crate) suite: Option<IkeSuite>,
    pub(crate) keys: Option<IkeKeys>,
    pub(crate) iv: IvCounter,
    pub(crate) window: Window,
    pub(crate) state: State,
    pub(crate) created_at: Time,
    /// When to rekey.
    pub(crate) soft_at: Time,
    /// When to end.
    pub(crate) hard_at: Time,
    /// When a state that must not last ends.
    pub(crate) expires_at: Option<Time>,
    /// Both ends know fragments (RFC 7383 section 2.3).
    pub(crate) fragmentation: bool,
    /// By which the peer proves that it has lost this IKE SA (RFC 6290).
    pub(crate) peer_token: Option<Vec<u8>>,
    /// TEMPORARY_FAILUREs since the last success.
    pub(crate) refusals: u32,
    #[serde(skip)]
    pub(crate) preparing: Option<Task>,
    #[serde(skip)]
    pub(crate) ciphers: Option<Box<(SkCipher, SkCipher)>>,
    #[serde(skip)]
    pub(crate) traffic: Traffic,
    /// Fragments of the peer's next request and of the response that is waited for.
    #[serde(skip)]
    pub(crate) joining: Option<Box<[Joining; 2]>>,
}

/// Messages of one IKE SA since the daemon's start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) retransmitted: u64,
}

/// The explicit IV of counter ciphers: `epoch(32) | counter(32)`. Each message takes the next; a message leaves only when
/// the record that has counted it is durable, so a restored endpoint never uses an IV that was seen (design decision D17).
/// The epoch moves when a record is taken up again.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct IvCounter {
    pub(crate) epoch: u32,
    pub(crate) counter: u32,
}

impl IvCounter {
    fn next(&mut self) -> Result<[u8; 8], Fault> {
        let iv = (u64::from(self.epoch) << 32 | u64::from(self.counter)).to_be_bytes();
        match self.counter.checked_add(1) {
            Some(next) => self.counter = next,
            None => {
                self.epoch = self
                    .epoch
                    .checked_add(1)
                    .ok_or(ravelin_crypto::Error::TooMuchKeymat { octets: 8 })?;
                self.counter = 0;
            }
        }
        Ok(iv)
    }
}

impl IkeSa {
    pub(crate) fn new(id: u64, initiator: bool, state: State, now: Time) -> IkeSa {
        IkeSa {
            id,
            spi_i: 0,
            spi_r: 0,
            initiator,
            suite: None,
            keys: None,
            iv: IvCounter::default(),
            window: Window::default(),
            state,
            created_at: now,
            soft_at: Time::MAX,
            hard_at: Time::MAX,
            expires_at: None,
            fragmentation: false,
            peer_token: None,
            refusals: 0,
            preparing: None,
            ciphers: None,
            traffic: Traffic::default(),
            joining: None,
        }
    }

    /// Our own SPI.
    pub(crate) fn local_spi(&self) -> u64 {
        if self.initiator {
            self.spi_i
        } else {
            self.spi_r
        }
    }

    /// Goes over to other keys; those before.
    pub(crate) fn replace_keys(&mut self, keys: IkeKeys) -> Option<IkeKeys> {
        self.ciphers = None;
        self.keys.replace(keys)
    }

    pub(crate) fn suite(&self) -> Result<IkeSuite, Fault> {
        self.suite.ok_or(Fault::Discard(Discard::WrongExchange))
    }

    pub(crate) fn keys(&self) -> Result<&IkeKeys, Fault> {
        self.keys
            .as_ref()
            .ok_or(Fault::Discard(Discard::WrongExchange))
    }

    fn ciphers(&mut self) -> Result<&(SkCipher, SkCipher), Fault> {
        if self.ciphers.is_none() {
            self.ciphers = Some(Box::new(self.keys()?.ciphers(self.suite()?)?));
        }
        self.ciphers
            .as_deref()
            .ok_or(Fault::Discard(Discard::WrongExchange))
    }

    pub(crate) fn header(&self, exchange: ExchangeType, response: bool, message_id: u32) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            exchange,
            initiator: self.initiator,
            response,
            message_id,
        }
    }

    /// The protection of what the peer sends. A repetition of its last IKE_INTERMEDIATE request has that of before the exchange.
    fn opening<T>(
        &mut self,
        header: &Header,
        open: impl FnOnce(&SkCipher) -> T,
    ) -> Result<T, Fault> {
        let initiator = self.initiator;
        let repeated = header.exchange == ExchangeType::IkeIntermediate
            && !header.response
            && self.window.has_answered(header.message_id);
        if let (true, State::HalfOpen(half)) = (repeated, &self.state) {
            if let Some(keys) = &half.previous {
                let (from_i, _) = keys.ciphers(self.suite()?)?;
                return Ok(open(&from_i));
            }
        }
        let (from_i, from_r) = self.ciphers()?;
        Ok(open(if initiator { from_r } else { from_i }))
    }

    /// Checks and decrypts a message of the peer.
    pub(crate) fn open(
        &mut self,
        header: &Header,
        sk: &sk::Sk,
        data: &[u8],
    ) -> Result<Whole, Fault> {
        let opened = self.opening(header, |cipher| sk.open_chain(data, cipher))?;
        match opened {
            Ok((chain, base)) => Ok(whole(header, data, sk.first, &chain, base)),
            Err(sk::OpenError::Parse(e)) => Ok(Whole {
                payloads: Err(e),
                covered: Zeroizing::default(),
            }),
            Err(sk::OpenError::Crypto(_)) => Err(Fault::Discard(Discard::Integrity)),
        }
    }

    /// Checks and decrypts a fragment of the peer.
    pub(crate) fn open_fragment(
        &mut self,
        header: &Header,
        skf: &skf::Skf,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if !self.fragmentation {
            return Err(Fault::Discard(Discard::Fragment));
        }
        self.opening(header, |cipher| skf.open(data, cipher))?
            .ok_or(Fault::Discard(Discard::Integrity))
    }

    /// Adds an authentic fragment of the message that is expected; the message once it is whole.
    pub(crate) fn join(
        &mut self,
        header: &Header,
        data: &[u8],
        skf: &skf::Skf,
        piece: Zeroizing<Vec<u8>>,
    ) -> Result<Option<Whole>, Fault> {
        let joining = self.joining.get_or_insert_default();
        let [requests, responses] = &mut **joining;
        let joining = if header.response { responses } else { requests };
        let joined = joining
            .add(header.message_id, skf, piece)
            .map_err(Fault::Discard)?;
        Ok(joined.map(|(first, chain)| whole(header, data, first, &chain, 0)))
    }

    /// Encrypts a message of ours, in fragments when it is long and the peer knows them.
    pub(crate) fn seal(
        &mut self,
        env: &mut dyn Environment,
        header: &Header,
        payloads: &[Payload],
    ) -> Result<Datagrams, Fault> {
        let (first, chain) = sk::chain(payloads);
        let fragmentation = self.fragmentation;
        let cipher = self.sealing()?;
        let whole = sk::sealed_octets(chain.len(), cipher) <= fragment::MAX_DATAGRAM_OCTETS;
        if whole || !fragmentation {
            let iv = self.next_iv(env)?;
            let cipher = self.sealing()?;
            return Ok(vec![sk::seal_raw(header, first, &chain, cipher, &iv)?]);
        }
        let room = skf::room(cipher, fragment::MAX_DATAGRAM_OCTETS).max(1);
        let pieces: Vec<&[u8]> = chain.chunks(room).collect();
        // Nothing of ours is 75 MB long.
        let total = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        let mut datagrams = Datagrams::with_capacity(pieces.len());
        for (at, piece) in (1..=total).zip(pieces) {
            let iv = self.next_iv(env)?;
            let cipher = self.sealing()?;
            let place = (at, total);
            datagrams.push(skf::seal(header, first, place, piece, cipher, &iv)?);
        }
        Ok(datagrams)
    }

    /// The cipher of what we send.
    fn sealing(&mut self) -> Result<&SkCipher, Fault> {
        let initiator = self.initiator;
        let (from_i, from_r) = self.ciphers()?;
        Ok(if initiator { from_i } else { from_r })
    }

    /// An initialisation vector that was never used.
    fn next_iv(&mut self, env: &mut dyn Environment) -> Result<Vec<u8>, Fault> {
        let encr = self.suite()?.encr();
        if !encr.is_iv_unpredictable() {
            return Ok(self.iv.next()?.to_vec());
        }
        let mut iv = vec![0u8; encr.iv_octets()];
        env.random(&mut iv)?;
        Ok(iv)
    }

    /// The child that an exchange of ours under way is to make.
    pub(crate) fn requested_child(&self) -> Option<&Requested> {
        let exchange = self.window.outstanding().map(|o| o.exchange.goal());
        match (exchange, &self.state) {
            (Some(Exchange::Child(r)), _) => Some(r),
            (_, State::AuthSent(auth)) => auth.child.as_deref(),
            _ => None,
        }
    }

    /// Its inbound SPI.
    pub(crate) fn requested_child_spi(&self) -> Option<Spi> {
        self.requested_child().map(|r| r.spi_in)
    }

    pub(crate) fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }
}
