//! Answers as text: the columns of Junos, at most 80 wide.
//!
//! A value that does not fit its line goes to the next one, flush with the right edge, so that columns stay columns.

mod acceleration;
mod buffers;
mod chassis;
mod cpu;
mod day0;
mod failures;
mod flight;
mod hardware;
mod ike;
mod interfaces;
mod ipsec;
mod pki;
mod route;
mod system;
mod trace;

use crate::command::Verb;
use ravelin_ctl::operator::{DaemonReply, Reply};
use ravelin_ctl::trace::TRACE_LENGTH_S;

/// Width of the screen that everything fits.
pub const WIDTH: usize = 80;

/// The text of `reply` to `verb`; `None` when it answers something else.
pub(crate) fn text(verb: Verb, reply: &Reply) -> Option<String> {
    Some(match (verb, reply) {
        (Verb::ShowProcesses, Reply::Processes(list)) => system::processes(list),
        (Verb::ShowConfiguration, Reply::Configuration(text)) => text.clone(),
        (Verb::ShowHardware, Reply::Hardware(platform)) => hardware::hardware(platform),
        (Verb::ShowAlarms, Reply::Alarms(list)) => hardware::alarms(list),
        (
            Verb::LoadFile | Verb::LoadTerminal | Verb::MergeFile | Verb::MergeTerminal,
            Reply::Loaded {
                generation,
                warnings,
            },
        ) => {
            let warnings = warnings.iter().map(|w| format!("warning: {w}\n"));
            let done = format!("load complete, generation {generation}\n");
            warnings.chain([done]).collect()
        }
        (Verb::ShowVersion, Reply::Node(node)) => system::version(node),
        (Verb::ShowUptime, Reply::Node(node)) => system::uptime(node),
        (Verb::ShowDay0, Reply::Day0(record)) => day0::text(record.as_ref()),
        (Verb::Reboot, Reply::Accepted) => "the system restarts now\n".to_owned(),
        (Verb::PowerOff, Reply::Accepted) => "the system switches off now\n".to_owned(),
        (Verb::Zeroize, Reply::Accepted) => {
            "the system forgets everything and restarts now\n".to_owned()
        }
        (verb, Reply::Daemon(answer)) => daemon(verb, answer)?,
        _ => return None,
    })
}

fn daemon(verb: Verb, answer: &DaemonReply) -> Option<String> {
    Some(match (verb, answer) {
        (Verb::ShowIkeSas { detail: false }, DaemonReply::IkeSas(list)) => ike::brief(list),
        (Verb::ShowIkeSas { detail: true }, DaemonReply::IkeSas(list)) => ike::detail(list),
        (Verb::ShowIkeGateways, DaemonReply::IkeGateways(list)) => ike::gateways(list),
        (Verb::ShowIkeStatistics, DaemonReply::IkeStatistics(list)) => ike::statistics(list),
        (Verb::ShowIkeFailures, DaemonReply::IkeFailures(all)) => failures::text(all),
        (Verb::ShowLog, DaemonReply::Log(text)) => text.clone(),
        (Verb::ShowIkeTrace, DaemonReply::IkeTrace(all)) => trace::text(all.as_ref()),
        (Verb::StartTrace { .. }, DaemonReply::Done(_)) => {
            format!("tracing, for {TRACE_LENGTH_S} seconds at most\n")
        }
        (Verb::SaveTraceKeys, DaemonReply::IkeTraceKeys(keys)) => {
            format!(
                "keys of {} IKE security associations written; they open all that these say\n",
                keys.len()
            )
        }
        (Verb::StopTrace, DaemonReply::Done(0)) => "nobody was being traced\n".to_owned(),
        (Verb::StopTrace, DaemonReply::Done(_)) => "trace stopped\n".to_owned(),
        (Verb::ShowIpsecSas { detail: false }, DaemonReply::IpsecSas(list)) => ipsec::brief(list),
        (Verb::ShowIpsecSas { detail: true }, DaemonReply::IpsecSas(list)) => ipsec::detail(list),
        (Verb::ShowIpsecStatistics, DaemonReply::IpsecStatistics(sums)) => ipsec::statistics(sums),
        (Verb::ShowInterfaces { terse: true }, DaemonReply::Interfaces(list)) => {
            interfaces::terse(list)
        }
        (Verb::ShowInterfaces { terse: false }, DaemonReply::Interfaces(list)) => {
            interfaces::full(list)
        }
        (Verb::ShowRoute, DaemonReply::Routes(list)) => route::tables(list),
        (Verb::ShowRouteSummary, DaemonReply::RouteSummary(tables)) => route::summary(tables),
        (Verb::ShowDrops, DaemonReply::Drops(list)) => system::drops(list),
        (Verb::ShowHighAvailability, DaemonReply::HighAvailability(all)) => {
            chassis::high_availability(all)
        }
        (Verb::ShowBuffers, DaemonReply::Buffers(all)) => buffers::text(all),
        (Verb::ShowCpu, DaemonReply::Cpu(workers)) => cpu::text(workers),
        (Verb::ShowAcceleration, DaemonReply::Acceleration(all)) => acceleration::text(all),
        (Verb::ShowFlight, DaemonReply::Flight(flight)) => flight::text(flight),
        (verb, DaemonReply::Pki(reply)) => {
            let (Verb::ShowCertificates { detail } | Verb::ShowCas { detail }) = verb else {
                return Some(pki::text(reply, false));
            };
            pki::text(reply, detail)
        }
        (Verb::StartFlight { .. }, DaemonReply::Done(count)) => {
            format!("recording, by {count} security associations\n")
        }
        (Verb::StopFlight, DaemonReply::Done(0)) => "nothing was being recorded\n".to_owned(),
        (Verb::StopFlight, DaemonReply::Done(_)) => "recording stopped\n".to_owned(),
        (Verb::ClearIke | Verb::ClearIpsec, DaemonReply::Done(count)) => {
            format!("{count} security associations deleted\n")
        }
        (Verb::ClearIkeFailures, DaemonReply::Done(count)) => {
            format!("{count} failures forgotten\n")
        }
        (Verb::RedirectIke, DaemonReply::Done(count)) => {
            format!("{count} peers redirected\n")
        }
        (Verb::RekeyIke | Verb::RekeyIpsec, DaemonReply::Done(count)) => {
            format!("{count} security associations being rekeyed\n")
        }
        _ => return None,
    })
}

/// A MAC address as Junos prints it.
pub(crate) fn mac(octets: [u8; 6]) -> String {
    octets.map(|o| format!("{o:02x}")).join(":")
}

/// `head` and `last` on one line, or `last` on the next one when it does not fit.
fn line(head: &str, last: &str) -> String {
    if head.chars().count() + last.chars().count() <= WIDTH {
        return format!("{head}{last}").trim_end().to_owned() + "\n";
    }
    match head.trim_end() {
        "" => format!("{last:>WIDTH$}\n"),
        head => format!("{head}\n{last:>WIDTH$}\n"),
    }
}

/// Text broken at blanks; every line but the first is indented by `indent`, and the first has `head` before it.
fn wrapped(head: &str, text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = head.to_owned();
    for word in text.split_whitespace() {
        let blank = usize::from(!line.is_empty() && !line.ends_with(' '));
        if line.chars().count() + blank + word.chars().count() > WIDTH && !line.trim().is_empty() {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
        } else if blank == 1 {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// `00:12:03`, `1d 02:03:04`, `3w1d 02:03:04`.
fn duration(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!(
        "{:02}:{:02}:{:02}",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    );
    match (days / 7, days % 7) {
        (0, 0) => clock,
        (0, days) => format!("{days}d {clock}"),
        (weeks, days) => format!("{weeks}w{days}d {clock}"),
    }
}
