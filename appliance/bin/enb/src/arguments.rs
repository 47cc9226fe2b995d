//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ravelin_types::{
    DhGroup, EspEncr, EspInteg, EspTransform, Identity, IkeEncr, IkeInteg, IkeSuite, Prefix, Prf,
};

use crate::environment::MAX_ENBS;
pub use load::Load;
use load::MAX_FLOWS;

mod load;

const USAGE: &str = "usage: ravelin-enb --gateway ADDRESS --local ADDRESS[,ADDRESS...] --psk-file FILE [OPTIONS]
       ravelin-enb --gateway ADDRESS --local ADDRESS[,ADDRESS...] --certificate FILE --key FILE --ca FILE [OPTIONS]
       ravelin-enb reflect ADDRESS[,ADDRESS...]

Sets up an IKE SA and a child SA for each of many eNodeBs, keeps them as long as wanted, with traffic in them if wanted, deletes them,
and reports. `reflect` is the other end of the traffic, in the core network, on UDP 862 of these addresses until it is interrupted.
Exit status: 0 when all that was wanted was set up and kept, 1 when not, 2 for a wrong command line. Lost packets are reported only.

who
  --gateway ADDRESS      the gateway's IKE address
  --gateway-id ID        what the gateway must prove to be (default its address)
  --local ADDRESSES      our addresses, comma-separated; the eNodeBs take turns. UDP 500 and 4500 must be free there
  --identity PATTERN     identities of the eNodeBs, {} is the number (default enb-{}.enb.example: enb-00001.enb.example)
  --psk-file FILE        the pre-shared key of all of them, without the line's end; for the side without a certificate
  --certificate FILE     the eNodeBs prove themselves by certificates: PEM, an eNodeB's own first, then the CAs above it. With {} in
                         its name there is one file for each, as in certs/enb-{}.pem: certs/enb-00001.pem
  --key FILE             the private key of it, PEM without a passphrase; {} as before, or one key for all
  --ca FILE              the gateway proves itself by a certificate of one of these CAs, in PEM; it may be revoked
what
  --count N              eNodeBs (default 1)
  --first N              number of the first one (default 1)
  --inner ADDRESSES      inner address of eNodeB number 1, the others follow (default 10.0.0.1); one host each. One of IPv4 and one of
                         IPv6, comma-separated, are two child SAs
  --remote PREFIXES      what is behind the gateway, for each family (default 0.0.0.0/0, ::/0)
  --ike SUITE            IKE SA: cipher[/integrity]/prf/group (default aes-256-gcm/sha-256/group31)
  --esp SUITE            child SA: cipher[/integrity] (default aes-256-gcm)
  --pfs GROUP            key exchange of child rekeys (default none)
  --ike-lifetime S       seconds until the IKE SA ends; it is rekeyed at 80 to 90 % of them (default 86400)
  --esp-lifetime S       the same of the child SA (default 28800)
  --dpd S                ask a silent gateway after S seconds whether it lives (default: only answer)
traffic, while --hold lasts
  --traffic REFLECTORS   UDP in the tunnels to these addresses, one for each family of --inner, and back: a reflector of STAMP (RFC 8762)
                         at ADDRESS or ADDRESS:PORT, as `ravelin-enb reflect` is one. ESP is AES-GCM
  --pps R                packets per second of all eNodeBs together (default 100), evenly
  --flows N              flows of an eNodeB to each reflector (default 1)
  --size OCTETS          of the packets in the tunnels with their IP header, comma-separated, in turn (default 96), or imix: 7 of 96, 4 of
                         576, 1 of 1400
how
  --nat                  as if a NAT lay before the eNodeBs: ESP is in UDP. Else traffic uses protocol 50, which needs CAP_NET_RAW
  --window K             set-ups under way at most (default 256)
  --rate R               set-ups begun per second at most (default as fast as the window allows)
  --hold S               stay for S seconds when all are set up or have failed (default 0); SIGINT or SIGTERM ends it
  --churn R              meanwhile R times per second one is deleted and set up anew
  --leave                end without deleting: the gateway finds out by itself
  --json FILE            the report as JSON, written after the set-up and again at the end
  --version, --help";

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// The work.
    Run(Box<Arguments>),
    /// The other end of the traffic, on these addresses.
    Reflect(Vec<IpAddr>),
    /// Only this text.
    Print(&'static str),
}

/// A wrong command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// An option nobody knows.
    #[error("unexpected argument `{0}`")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} needs a value")]
    NoValue(String),
    /// A value that is not one.
    #[error("{option} {value}: {wanted} is expected")]
    Value {
        /// Option.
        option: String,
        /// What was given.
        value: String,
        /// What is expected.
        wanted: String,
    },
    /// An option that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Addresses that cannot talk to each other.
    #[error("--local {0} is not of the family of --gateway {1}")]
    Family(IpAddr, IpAddr),
    /// Two of one family.
    #[error("--inner {0}, {1}: one address of each family is expected")]
    Inner(IpAddr, IpAddr),
    /// No eNodeB can talk to it.
    #[error("--traffic {0}: no address of --inner is of its family")]
    Reflector(IpAddr),
    /// ESP that we cannot make.
    #[error("--esp {0}: --traffic is expected to be in AES-GCM")]
    Cipher(EspTransform),
}

/// The command line, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments {
    /// The gateway's address.
    pub gateway: IpAddr,
    /// Its identity.
    pub gateway_id: Option<Identity>,
    /// Ours; not empty.
    pub local: Vec<IpAddr>,
    /// With `{}` for the number.
    pub identity: String,
    /// File of the pre-shared key; there when one side has no certificate.
    pub psk_file: Option<PathBuf>,
    /// Files of the eNodeBs' certificates and of their keys, with `{}` for the number.
    pub certificate: Option<[String; 2]>,
    /// File of the CAs of the gateway's certificate.
    pub ca: Option<PathBuf>,
    /// eNodeBs.
    pub count: u32,
    /// Number of the first.
    pub first: u32,
    /// Inner addresses of number 1: one, or one of each family.
    pub inner: Vec<IpAddr>,
    /// Behind the gateway; of a family without one everything is.
    pub remote: Vec<Prefix>,
    /// What is in the tunnels.
    pub load: Option<Load>,
    /// As behind a NAT.
    pub nat: bool,
    /// IKE SA.
    pub ike: IkeSuite,
    /// Child SA.
    pub esp: EspTransform,
    /// Key exchange of child rekeys.
    pub pfs: Option<DhGroup>,
    /// Seconds.
    pub ike_lifetime_s: u32,
    /// Seconds.
    pub esp_lifetime_s: u32,
    /// Probe interval.
    pub dpd: Option<Duration>,
    /// Set-ups under way at most.
    pub window: u32,
    /// Set-ups begun per second.
    pub rate: Option<f64>,
    /// How long to stay.
    pub hold: Duration,
    /// Deletions and set-ups per second meanwhile.
    pub churn: Option<f64>,
    /// Without deleting.
    pub leave: bool,
    /// Report.
    pub json: Option<PathBuf>,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// Names the argument at fault.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, ArgumentError> {
        let mut arguments = arguments;
        let (mut gateway, mut local) = (None, Vec::new());
        let (mut certificate, mut key) = (None, None);
        let (mut parsed, mut load) = (Self::default(), Load::default());
        while let Some(option) = arguments.next() {
            match option.as_str() {
                "--help" | "-h" => return Ok(Command::Print(USAGE)),
                "--version" => return Ok(Command::Print(env!("CARGO_PKG_VERSION"))),
                "reflect" => {
                    let option = "reflect".to_owned();
                    let value = arguments.next();
                    let value = value.ok_or_else(|| ArgumentError::NoValue(option.clone()))?;
                    let addresses = Given { option, value }.list("addresses")?;
                    return Ok(Command::Reflect(addresses));
                }
                "--nat" => {
                    parsed.nat = true;
                    continue;
                }
                "--leave" => {
                    parsed.leave = true;
                    continue;
                }
                known if !USAGE.contains(&format!("\n  {known} ")) => {
                    return Err(ArgumentError::Unknown(option));
                }
                _ => {}
            }
            let value = (arguments.next()).ok_or_else(|| ArgumentError::NoValue(option.clone()))?;
            let given = Given { option, value };
            match given.option.as_str() {
                "--gateway" => gateway = Some(given.read("an address")?),
                "--gateway-id" => parsed.gateway_id = Some(identity(&given.value)),
                "--local" => local = given.list("addresses")?,
                "--identity" => parsed.identity = given.value,
                "--psk-file" => parsed.psk_file = Some(PathBuf::from(given.value)),
                "--certificate" => certificate = Some(given.value),
                "--key" => key = Some(given.value),
                "--ca" => parsed.ca = Some(PathBuf::from(given.value)),
                "--count" => parsed.count = given.number(MAX_ENBS)?,
                "--first" => parsed.first = given.number(u32::MAX)?,
                "--inner" => parsed.inner = given.list("addresses")?,
                "--remote" => parsed.remote = given.list("prefixes")?,
                "--ike" => parsed.ike = given.ike_suite()?,
                "--esp" => parsed.esp = given.esp_suite()?,
                "--pfs" => parsed.pfs = Some(given.read("a group")?),
                "--ike-lifetime" => parsed.ike_lifetime_s = given.number(u32::MAX)?,
                "--esp-lifetime" => parsed.esp_lifetime_s = given.number(u32::MAX)?,
                "--dpd" => parsed.dpd = Some(given.seconds()?),
                "--traffic" => load.reflectors = given.reflectors()?,
                "--pps" => load.pps = given.per_second()?,
                "--flows" => load.flows = given.number(MAX_FLOWS)? as u16,
                "--size" => load.sizes = given.sizes()?,
                "--window" => parsed.window = given.number(MAX_ENBS)?,
                "--rate" => parsed.rate = Some(given.per_second()?),
                "--hold" => parsed.hold = given.seconds()?,
                "--churn" => parsed.churn = Some(given.per_second()?),
                "--json" => parsed.json = Some(PathBuf::from(given.value)),
                _ => return Err(ArgumentError::Unknown(given.option)),
            }
        }
        parsed.gateway = gateway.ok_or(ArgumentError::Missing("--gateway"))?;
        parsed.certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some([certificate, key]),
            (None, None) => None,
            (Some(_), None) => return Err(ArgumentError::Missing("--key")),
            (None, Some(_)) => return Err(ArgumentError::Missing("--certificate")),
        };
        if parsed.psk_file.is_none() && (parsed.certificate.is_none() || parsed.ca.is_none()) {
            return Err(ArgumentError::Missing(
                "--psk-file, or --certificate, --key and --ca,",
            ));
        }
        parsed.local = local;
        if parsed.local.is_empty() {
            return Err(ArgumentError::Missing("--local"));
        }
        parsed.load = (!load.reflectors.is_empty()).then_some(load);
        parsed.check_traffic()?;
        let other = |ours: &&IpAddr| ours.is_ipv4() != parsed.gateway.is_ipv4();
        match parsed.local.iter().find(other) {
            Some(ours) => Err(ArgumentError::Family(*ours, parsed.gateway)),
            None => Ok(Command::Run(Box::new(parsed))),
        }
    }
}

impl Default for Arguments {
    fn default() -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            gateway: unspecified,
            gateway_id: None,
            local: Vec::new(),
            identity: "enb-{}.enb.example".to_owned(),
            psk_file: None,
            certificate: None,
            ca: None,
            count: 1,
            first: 1,
            inner: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))],
            remote: Vec::new(),
            load: None,
            nat: false,
            ike: default_ike(),
            esp: EspTransform::AES_256_GCM,
            pfs: None,
            ike_lifetime_s: 86_400,
            esp_lifetime_s: 28_800,
            dpd: None,
            window: 256,
            rate: None,
            hold: Duration::ZERO,
            churn: None,
            leave: false,
            json: None,
        }
    }
}

const fn default_ike() -> IkeSuite {
    let (encr, prf) = (IkeEncr::Aes256Gcm, Prf::HmacSha256);
    match IkeSuite::new(encr, None, prf, DhGroup::Curve25519) {
        Ok(suite) => suite,
        // An AEAD goes without integrity: this cannot be, and would not compile.
        Err(_) => unreachable!(),
    }
}

/// Numbers are addresses, what has an @ is an e-mail address, the rest host names.
fn identity(text: &str) -> Identity {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Identity::Ipv4(address),
        Ok(IpAddr::V6(address)) => Identity::Ipv6(address),
        Err(_) if text.contains('@') => Identity::Email(text.to_owned()),
        Err(_) => Identity::Fqdn(text.to_owned()),
    }
}

struct Given {
    option: String,
    value: String,
}

impl Given {
    fn wrong(&self, wanted: &str) -> ArgumentError {
        ArgumentError::Value {
            option: self.option.clone(),
            value: self.value.clone(),
            wanted: wanted.to_owned(),
        }
    }

    fn read<T: FromStr>(&self, wanted: &str) -> Result<T, ArgumentError> {
        self.value.parse().map_err(|_| self.wrong(wanted))
    }

    fn list<T: FromStr>(&self, wanted: &str) -> Result<Vec<T>, ArgumentError> {
        let read = |part: &str| part.parse().map_err(|_| self.wrong(wanted));
        self.value.split(',').map(read).collect()
    }

    fn number(&self, max: u32) -> Result<u32, ArgumentError> {
        let number = self.value.parse().ok();
        number
            .filter(|n| (1..=max).contains(n))
            .ok_or_else(|| self.wrong(&format!("a number from 1 to {max}")))
    }

    fn per_second(&self) -> Result<f64, ArgumentError> {
        let number: Option<f64> = self.value.parse().ok();
        number
            .filter(|n| (0.001..=1e6).contains(n))
            .ok_or_else(|| self.wrong("a number per second from 0.001 to 1000000"))
    }

    fn seconds(&self) -> Result<Duration, ArgumentError> {
        let number: Option<f64> = self.value.parse().ok();
        let number = number.filter(|n| (0.0..=1e6).contains(n));
        number
            .map(Duration::from_secs_f64)
            .ok_or_else(|| self.wrong("seconds from 0 to 1000000"))
    }

    fn ike_suite(&self) -> Result<IkeSuite, ArgumentError> {
        let wanted = "cipher/prf/group of an AEAD or cipher/integrity/prf/group, in the words of the gateway's configuration,";
        let parts: Vec<&str> = self.value.split('/').collect();
        let (encr, integ, prf, dh) = match parts[..] {
            [encr, prf, dh] => (encr, None, prf, dh),
            [encr, integ, prf, dh] => (encr, Some(integ), prf, dh),
            _ => return Err(self.wrong(wanted)),
        };
        let suite = || {
            let integ = integ.map(IkeInteg::from_str).transpose().ok()?;
            let (encr, prf) = (IkeEncr::from_str(encr).ok()?, Prf::from_str(prf).ok()?);
            IkeSuite::new(encr, integ, prf, dh.parse().ok()?).ok()
        };
        suite().ok_or_else(|| self.wrong(wanted))
    }

    fn esp_suite(&self) -> Result<EspTransform, ArgumentError> {
        let (encr, integ) = match self.value.split_once('/') {
            Some((encr, integ)) => (encr, Some(integ)),
            None => (self.value.as_str(), None),
        };
        let suite = || {
            let integ = integ.map(EspInteg::from_str).transpose().ok()?;
            EspTransform::new(EspEncr::from_str(encr).ok()?, integ).ok()
        };
        suite().ok_or_else(|| self.wrong("an AEAD, or cipher/integrity,"))
    }
}

#[cfg(test)]
mod tests;
