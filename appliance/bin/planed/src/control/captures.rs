//! Captures that run, and what they hand out.
//!
//! A capture that nobody takes from ends here, so nothing is left of a client that has gone: neither a copy nor its cost.

use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::capture::{
    ALL_INTERFACES, CaptureId, CaptureInterface, CaptureOrder, CaptureReply, CaptureSpec, Captured,
    MAX_FILTER_STEPS, Taken,
};
use ravelin_ctl::operator::DaemonReply;
use ravelin_dataplane::tables::{IfIndex, InterfaceKind, PortTable};
use ravelin_dataplane::watch::Watch;
use ravelin_dataplane::watch::capture::{Capture, MAX_CAPTURES, Record, Tap};
use ravelin_platform::clock::{epoch_us, now};
use ravelin_types::{Time, UnitName};

use super::Control;

/// A capture that nobody takes from for so long is over. Its client asks several times a second, but a commit keeps it waiting.
const LEASE: Duration = Duration::from_secs(5);
/// The longest capture: one that was forgotten in some terminal costs no more.
const MAX_CAPTURE_TIME: Duration = Duration::from_secs(3_600);
/// Packets of one answer: what the control thread copies in well under a millisecond.
const MAX_TAKEN_PACKETS: usize = 512;
/// Octets of packets of one answer, for the same reason.
const MAX_TAKEN_OCTETS: usize = 1 << 20;

struct Session {
    id: CaptureId,
    capture: Arc<Capture>,
    size_octets: usize,
    begun: Time,
    asked: Time,
    /// Microseconds since 1970 at the clock's zero.
    epoch_us: u64,
}

/// The captures that run.
#[derive(Default)]
pub struct Captures {
    sessions: Vec<Session>,
    last: u64,
}

impl Control {
    pub(super) fn capture(&mut self, order: &CaptureOrder) -> DaemonReply {
        let done = match order {
            CaptureOrder::Begin(spec) => self.begin_capture(spec),
            CaptureOrder::Take(id) => self.take_captured(*id).map(CaptureReply::Taken),
            CaptureOrder::End(id) => {
                let taken = self.take_captured(*id).map(CaptureReply::Taken);
                self.end_captures(|session| session.id == *id);
                taken
            }
        };
        done.map_or_else(DaemonReply::Failed, DaemonReply::Capture)
    }

    /// Ends those that nobody takes from.
    pub(super) fn forget_captures(&mut self, now: Time) {
        self.end_captures(|session| now.since(session.asked) > LEASE);
    }

    fn end_captures(&mut self, over: impl Fn(&Session) -> bool) {
        let before = self.captures.sessions.len();
        self.captures.sessions.retain(|session| !over(session));
        if self.captures.sessions.len() != before {
            log::info!("{} captures run", self.captures.sessions.len());
            self.show_watch();
        }
    }

    /// Tells the workers what to show.
    pub(super) fn show_watch(&mut self) {
        let sessions = self.captures.sessions.iter();
        let watch = Watch {
            captures: sessions.map(|s| Arc::clone(&s.capture)).collect(),
            recorder: self.flight.recorder.clone(),
        };
        let wanted = !watch.captures.is_empty() || watch.recorder.is_some();
        self.parts.controller.set_watch(wanted.then_some(watch));
    }

    fn begin_capture(&mut self, spec: &CaptureSpec) -> Result<CaptureReply, String> {
        if self.captures.sessions.len() >= MAX_CAPTURES {
            return Err(format!("{MAX_CAPTURES} captures run already"));
        }
        if !spec.filter.is_sound() {
            return Err(format!(
                "the filter is not sound, or has more than {MAX_FILTER_STEPS} steps"
            ));
        }
        let (taps, interfaces) = self.taps(&spec.interfaces)?;
        let workers = self.parts.controller.workers().count();
        let capture = Capture::new(&taps, spec.filter.clone(), spec.size_octets, workers);
        self.captures.last += 1;
        let (id, now) = (CaptureId(self.captures.last), now());
        self.captures.sessions.push(Session {
            id,
            capture: Arc::new(capture),
            size_octets: spec.size_octets.max(1) as usize,
            begun: now,
            asked: now,
            epoch_us: epoch_us(now),
        });
        log::info!("a capture of {} begins", spec.interfaces.join(", "));
        self.show_watch();
        Ok(CaptureReply::Begun { id, interfaces })
    }

    /// Where the packets of these interfaces are seen.
    fn taps(&self, names: &[String]) -> Result<(Vec<Tap>, Vec<CaptureInterface>), String> {
        let config = &self.parts.controller.tables().config;
        let tunnels = (0..).zip(&config.interfaces).filter_map(|(at, interface)| {
            let interface = interface.as_ref()?;
            let tunnel = interface.kind == InterfaceKind::Tunnel;
            tunnel.then(|| (Tap::Tunnel(IfIndex(at)), interface.name.to_string()))
        });
        let running = &self.configuration.running.ports;
        let open = |(at, table): (u16, &PortTable)| {
            let runs = running.iter().any(|port| port.name == table.name);
            runs.then(|| (Tap::Port(at, None), table.name.clone()))
        };
        let ports = (0..).zip(&config.ports).filter_map(open);
        let every: Vec<(Tap, String)> = ports.chain(tunnels).collect();
        let mut chosen = Vec::new();
        for name in names {
            if name == ALL_INTERFACES {
                chosen.extend(every.iter().cloned());
            } else if let Some(one) = every.iter().find(|(_, known)| known == name) {
                chosen.push(one.clone());
            } else {
                chosen.push((self.unit_tap(name)?, name.clone()));
            }
        }
        let mut taps: Vec<Tap> = Vec::new();
        let mut interfaces = Vec::new();
        for (tap, name) in chosen {
            if !taps.contains(&tap) {
                taps.push(tap);
                let ethernet = matches!(tap, Tap::Port(..));
                interfaces.push(CaptureInterface { name, ethernet });
            }
        }
        Ok((taps, interfaces))
    }

    fn unit_tap(&self, name: &str) -> Result<Tap, String> {
        let unknown = || format!("there is no interface {name}");
        let unit: UnitName = name.parse().map_err(|_| unknown())?;
        let controller = &self.parts.controller;
        let index = controller.index_of(&unit).ok_or_else(unknown)?;
        match controller.tables().config.interface(index).map(|i| i.kind) {
            Some(InterfaceKind::Unit { port, tags, .. }) => Ok(Tap::Port(port.0, Some(tags))),
            _ => Err(unknown()),
        }
    }

    fn take_captured(&mut self, id: CaptureId) -> Result<Taken, String> {
        let now = now();
        let session = self.captures.sessions.iter_mut().find(|s| s.id == id);
        let session = session.ok_or("the capture has ended")?;
        session.asked = now;
        let most = MAX_TAKEN_PACKETS.min(MAX_TAKEN_OCTETS / session.size_octets);
        let mut records = Vec::new();
        let more = session.capture.take(most.max(1), |record| {
            records.push((captured(record, session.epoch_us), record.destination));
        });
        let mut taken = Taken {
            more,
            lost: session.capture.lost(),
            ended: now.since(session.begun) > MAX_CAPTURE_TIME,
            packets: Vec::new(),
        };
        if taken.ended {
            self.end_captures(|session| session.id == id);
        }
        let mut links: Vec<_> = (records.iter_mut())
            .filter_map(|(packet, peer)| {
                let peer = peer.filter(|_| packet.outbound);
                Some((packet.esp.as_mut()?, peer))
            })
            .collect();
        self.parts.controller.name_pairs(&mut links);
        taken.packets = records.into_iter().map(|(packet, _)| packet).collect();
        taken.packets.sort_by_key(|packet| packet.time_us);
        Ok(taken)
    }
}

fn captured(record: &Record, epoch_us: u64) -> Captured {
    Captured {
        time_us: epoch_us + record.time.0,
        interface: record.tap,
        outbound: record.outbound,
        octets: record.octets,
        esp: record.esp,
        data: record.data.clone(),
    }
}
