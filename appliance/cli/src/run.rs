//! From a command to its request, and from the answer to text.

use crate::command::{Filter, Parsed, Verb, Word};
use crate::{CliError, Client, CommandError, json, pipe, pki, render, trace_keys};
use ravelin_ctl::failure::FailureOrder;
use ravelin_ctl::flight::{FlightChoice, FlightOrder};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, Power, Reply, Request};
use ravelin_ctl::pki::{PkiOrder, PkiReply};
use ravelin_ctl::trace::TraceOrder;
use ravelin_types::PairId;
use std::fs;
use std::io::{self, BufRead, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The longest line with a passphrase.
const MAX_PASSPHRASE_OCTETS: u64 = 1026;

/// Runs a command (none of [`is_local`], and not [`crate::monitor()`]'s) and returns what to print. `terminal` gives the text of a configuration that is
/// typed or piped in.
///
/// # Errors
/// See [`CliError`].
pub fn evaluate(
    client: &Client,
    parsed: &Parsed,
    terminal: &mut dyn Read,
) -> Result<String, CliError> {
    let mut ask = || {
        let mut line = Zeroizing::new(String::new());
        let read = io::BufReader::new(&mut *terminal)
            .take(MAX_PASSPHRASE_OCTETS)
            .read_line(&mut line);
        read.map_err(|e| CliError::Terminal(e.to_string()))?;
        let length = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(length);
        Ok(Some(line))
    };
    if let Some(order) = pki::order(parsed)? {
        return order_pki(client, parsed, order, &mut ask);
    }
    let request = request(parsed, terminal)?;
    let reply = client.ask(request)?;
    if let (Verb::SaveTraceKeys, Reply::Daemon(DaemonReply::IkeTraceKeys(keys))) =
        (parsed.verb, &reply)
    {
        let path = PathBuf::from(&parsed.values.first().ok_or_else(no_value)?.text);
        trace_keys::save(&path, keys).map_err(|source| CliError::File { path, source })?;
    }
    render_reply(parsed, reply)
}

/// A passphrase, or `None` when it is given up.
pub(crate) type Ask<'a> = &'a mut dyn FnMut() -> Result<Option<Zeroizing<String>>, CliError>;

/// Carries out an order about certificates; a passphrase is asked for when iked wants one.
pub(crate) fn order_pki(
    client: &Client,
    parsed: &Parsed,
    order: PkiOrder,
    ask: Ask<'_>,
) -> Result<String, CliError> {
    let query = |order| Request::Daemon(DaemonQuery::Pki(Box::new(order)));
    let wants = |reply: &Reply| {
        let Reply::Daemon(DaemonReply::Pki(reply)) = reply else {
            return false;
        };
        **reply == PkiReply::PassphraseWanted
    };
    let mut reply = client.ask(query(order.clone()))?;
    if wants(&reply) {
        let Some(typed) = ask()? else {
            return Ok("given up: nothing is changed\n".to_owned());
        };
        reply = client.ask(query(pki::with_passphrase(order, &typed)))?;
    }
    if wants(&reply) {
        let line = "the file is encrypted, and its passphrase is not given";
        return Err(CliError::Refused(vec![line.to_owned()]));
    }
    if let Reply::Daemon(reply) = &reply {
        pki::keep(parsed, reply)?;
    }
    render_reply(parsed, reply)
}

/// The output for a reply, filters applied.
///
/// # Errors
/// [`CliError::Refused`] when the reply says so, [`CliError::Mismatch`], or a bad pattern.
pub fn render_reply(parsed: &Parsed, reply: Reply) -> Result<String, CliError> {
    let reply = match reply {
        Reply::Failed(lines) => return Err(CliError::Refused(lines)),
        Reply::Daemon(DaemonReply::Failed(line)) => return Err(CliError::Refused(vec![line])),
        reply => reply,
    };
    let as_json = parsed
        .filters
        .iter()
        .any(|(f, _)| *f == Filter::DisplayJson);
    let text = if as_json {
        json::render(&reply)
    } else {
        render::text(parsed.verb, &reply).ok_or(CliError::Mismatch)?
    };
    Ok(pipe::apply(text, &parsed.filters)?)
}

fn request(parsed: &Parsed, terminal: &mut dyn Read) -> Result<Request, CliError> {
    let value = parsed.values.first();
    let query = match parsed.verb {
        Verb::ClearIke => DaemonQuery::ClearIke(peer(value)?),
        Verb::ClearIkeFailures => DaemonQuery::IkeFailures(FailureOrder::Clear(peer(value)?)),
        Verb::ClearIpsec => DaemonQuery::ClearIpsec(peer(value)?),
        Verb::RedirectIke => DaemonQuery::RedirectIke(peer(value)?),
        Verb::RekeyIke => DaemonQuery::RekeyIke(index(value)?),
        Verb::RekeyIpsec => DaemonQuery::RekeyChild(index(value)?.map(PairId)),
        Verb::StartFlight { peer } => DaemonQuery::Flight(FlightOrder::Start(flight(value, peer)?)),
        Verb::StartTrace { keys } => {
            let peer = peer(value)?.ok_or_else(no_value)?;
            DaemonQuery::IkeTrace(TraceOrder::Start { peer, keys })
        }
        Verb::SaveTraceKeys => DaemonQuery::IkeTrace(TraceOrder::Keys),
        Verb::StopTrace => DaemonQuery::IkeTrace(TraceOrder::Stop),
        Verb::ShowIkeTrace => DaemonQuery::IkeTrace(TraceOrder::Show),
        Verb::ShowLog => {
            let file = value.ok_or_else(no_value)?.text.clone();
            DaemonQuery::IkeTrace(TraceOrder::Log { file })
        }
        Verb::StopFlight => DaemonQuery::Flight(FlightOrder::Stop),
        Verb::ShowFlight => DaemonQuery::Flight(FlightOrder::Show),
        Verb::ShowBuffers => DaemonQuery::Buffers,
        Verb::ShowCpu => DaemonQuery::Cpu,
        Verb::ShowAcceleration => DaemonQuery::Acceleration,
        Verb::ShowDrops => DaemonQuery::Drops,
        Verb::ShowHighAvailability => DaemonQuery::HighAvailability,
        Verb::ShowIkeSas { .. } => DaemonQuery::IkeSas,
        Verb::ShowIkeFailures => DaemonQuery::IkeFailures(FailureOrder::Show(peer(value)?)),
        Verb::ShowIkeGateways => DaemonQuery::IkeGateways,
        Verb::ShowIkeStatistics => DaemonQuery::IkeStatistics,
        Verb::ShowInterfaces { .. } => DaemonQuery::Interfaces,
        Verb::ShowIpsecSas { .. } => DaemonQuery::IpsecSas,
        Verb::ShowIpsecStatistics => DaemonQuery::IpsecStatistics,
        Verb::ShowRoute => DaemonQuery::Routes,
        Verb::ShowRouteSummary => DaemonQuery::RouteSummary,
        Verb::ShowConfiguration => return Ok(configuration(parsed)),
        // They are no requests, or others than these.
        Verb::Exit
        | Verb::MonitorTraffic
        | Verb::StartShell { .. }
        | Verb::GenerateKey
        | Verb::RequestCertificate
        | Verb::LoadCertificate
        | Verb::LoadCa
        | Verb::LoadKeys
        | Verb::LoadList
        | Verb::ClearPki(_)
        | Verb::ShowCertificates { .. }
        | Verb::ShowCas { .. }
        | Verb::ShowKeys
        | Verb::ShowLists => {
            return Ok(Request::Session);
        }
        Verb::ShowUptime | Verb::ShowVersion => return Ok(Request::ShowNode),
        Verb::Reboot => return Ok(Request::Power(Power::Reboot)),
        Verb::PowerOff => return Ok(Request::Power(Power::PowerOff)),
        Verb::Zeroize => return Ok(Request::Power(Power::Zeroize)),
        Verb::ShowProcesses => return Ok(Request::ShowProcesses),
        Verb::ShowHardware => return Ok(Request::ShowHardware),
        Verb::ShowAlarms => return Ok(Request::ShowAlarms),
        Verb::ShowDay0 => return Ok(Request::ShowDay0),
        Verb::LoadFile | Verb::MergeFile => {
            let path = PathBuf::from(value.map_or("", |w| w.text.as_str()));
            let text =
                fs::read_to_string(&path).map_err(|source| CliError::File { path, source })?;
            let origin = value.map(|w| w.text.clone()).unwrap_or_default();
            return Ok(load(parsed.verb, origin, text));
        }
        Verb::LoadTerminal | Verb::MergeTerminal => {
            let mut text = String::new();
            terminal
                .read_to_string(&mut text)
                .map_err(|e| CliError::Terminal(e.to_string()))?;
            return Ok(load(parsed.verb, "terminal".to_owned(), text));
        }
    };
    Ok(Request::Daemon(query))
}

/// Whether a command is carried out here, at the prompt only.
pub fn is_local(verb: Verb) -> bool {
    matches!(verb, Verb::Exit | Verb::StartShell { .. })
}

fn load(verb: Verb, origin: String, text: String) -> Request {
    match verb {
        Verb::MergeFile | Verb::MergeTerminal => Request::AmendConfiguration { origin, text },
        _ => Request::LoadConfiguration { origin, text },
    }
}

fn configuration(parsed: &Parsed) -> Request {
    let asked = |filter| parsed.filters.iter().any(|(f, _)| *f == filter);
    match (asked(Filter::DisplaySet), asked(Filter::DisplaySecrets)) {
        (false, false) => Request::ShowConfiguration,
        (set, secrets) => Request::ExportConfiguration { set, secrets },
    }
}

fn peer(value: Option<&Word>) -> Result<Option<IpAddr>, CommandError> {
    parse(value, "an IP address")
}

fn flight(value: Option<&Word>, by_peer: bool) -> Result<FlightChoice, CommandError> {
    if by_peer {
        peer(value)?.map(FlightChoice::Peer).ok_or_else(no_value)
    } else {
        let pair = index(value)?.map(PairId);
        pair.map(FlightChoice::Pair).ok_or_else(no_value)
    }
}

fn no_value() -> CommandError {
    CommandError::Incomplete {
        at: 0,
        expected: vec!["a value".to_owned()],
    }
}

fn index(value: Option<&Word>) -> Result<Option<u64>, CommandError> {
    parse(value, "an index")
}

fn parse<T: std::str::FromStr>(
    value: Option<&Word>,
    wanted: &'static str,
) -> Result<Option<T>, CommandError> {
    let Some(word) = value else {
        return Ok(None);
    };
    word.text
        .parse()
        .map(Some)
        .map_err(|_| CommandError::Value {
            word: word.text.clone(),
            at: word.at,
            wanted,
        })
}
