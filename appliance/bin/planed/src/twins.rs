//! The TAP and TUN twins of units and tunnels: netd makes them, we attach a queue to each.
//!
//! netd may come late, go and come back: [`Twins::reconcile`] is called until it succeeds, and again after each loss of netd.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ravelin_ctl::netd::{Device, Reply, Request};
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError};
use ravelin_dataplane::tables::IfIndex;
use ravelin_platform::clock::now;
use ravelin_tuntap::{DeviceName, Kind, Queue};
use ravelin_types::{Time, UnitName};

use crate::error::Error;
use crate::punt::{Command, Punt};

/// How long netd may take for one device.
const NETD_PATIENCE: Duration = Duration::from_secs(5);
/// A netd that accepts and says nothing is left alone for so long: the control thread has others to serve.
const NETD_PAUSE: Duration = Duration::from_secs(3);

/// A twin that shall exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The data plane's index of the unit.
    pub index: IfIndex,
    /// What netd shall make.
    pub device: Device,
}

/// All twins.
pub struct Twins {
    path: PathBuf,
    hello: Hello,
    netd: Option<Stream>,
    /// No attempt to connect before this.
    next_attempt: Time,
    next_id: u32,
    wanted: BTreeMap<UnitName, Wanted>,
    /// What netd made, as it was asked for.
    held: BTreeMap<UnitName, Wanted>,
    /// Twins that netd shall remove and has not yet.
    leaving: BTreeSet<UnitName>,
    /// Twins that the punt thread serves.
    attached: BTreeMap<UnitName, IfIndex>,
}

impl Twins {
    /// None yet; netd serves at `path`.
    pub fn new(path: PathBuf, hello: Hello) -> Self {
        Self {
            path,
            hello,
            netd: None,
            next_attempt: Time::default(),
            next_id: 1,
            wanted: BTreeMap::new(),
            held: BTreeMap::new(),
            leaving: BTreeSet::new(),
            attached: BTreeMap::new(),
        }
    }

    /// Sets what shall exist; [`Twins::reconcile`] makes it so.
    pub fn want(&mut self, wanted: impl IntoIterator<Item = Wanted>) {
        let named = wanted
            .into_iter()
            .map(|twin| (twin.device.unit.clone(), twin));
        self.wanted = named.collect();
    }

    /// Sets the carrier of a unit's twin.
    pub fn set_carrier(&mut self, unit: &UnitName, up: bool) {
        if let Some(wanted) = self.wanted.get_mut(unit) {
            wanted.device.carrier = up;
        }
    }

    /// Whether everything is as wanted and netd is there.
    pub fn is_settled(&self) -> bool {
        self.netd.is_some() && self.leaving.is_empty() && self.held == self.wanted
    }

    /// Notices that netd closed the connection; what it held is asked for again.
    pub fn check(&mut self) {
        let Some(netd) = &self.netd else { return };
        let mut fds = [PollFd::new(netd.socket().as_fd(), PollFlags::POLLIN)];
        // netd says nothing unasked: anything to read is the end.
        if poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            log::warn!("netd.sock: closed by netd");
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.netd = None;
        self.held.clear();
    }

    /// Makes, changes and removes twins until they are as wanted, and attaches queues.
    ///
    /// # Errors
    /// The first failure; what was done stays done.
    pub fn reconcile(&mut self, punt: &Punt) -> Result<(), Error> {
        let known = self.held.keys().chain(self.attached.keys());
        let gone = known.filter(|name| !self.wanted.contains_key(name));
        self.leaving.extend(gone.cloned());
        self.leaving.retain(|name| !self.wanted.contains_key(name));
        while let Some(unit) = self.leaving.first().cloned() {
            if let Some(index) = self.attached.remove(&unit) {
                punt.command(Command::Detach(index));
            }
            match self.ask(Request::Remove(unit.clone()), &unit) {
                // A netd that was begun anew does not know it: there is nothing left to ask for.
                Err(error @ Error::Netd { .. }) => log::warn!("{error}"),
                // Asked again when netd is back.
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            self.held.remove(&unit);
            self.leaving.remove(&unit);
        }
        let wanted: Vec<Wanted> = self.wanted.values().cloned().collect();
        for twin in wanted {
            self.ensure(twin, punt)?;
        }
        if self.netd.is_none() {
            self.connect()?;
        }
        Ok(())
    }

    fn ensure(&mut self, wanted: Wanted, punt: &Punt) -> Result<(), Error> {
        let unit = wanted.device.unit.clone();
        if self.held.get(&unit) == Some(&wanted) {
            return Ok(());
        }
        let reply = self.ask(Request::Ensure(wanted.device.clone()), &unit)?;
        let Reply::Device { name: device, .. } = reply else {
            return Err(refused(&unit, "an answer that does not fit"));
        };
        if !self.attached.contains_key(&unit) {
            let kind = if wanted.device.mac.is_some() {
                Kind::Tap
            } else {
                Kind::Tun
            };
            let name: DeviceName = device.parse()?;
            let queue = Queue::attach(&name, kind)?;
            punt.command(Command::Attach(wanted.index, kind, queue));
            self.attached.insert(unit.clone(), wanted.index);
        }
        // Of a device that netd made anew, too.
        ravelin_routing::set_reprobes(&device).unwrap_or_else(|error| log::warn!("{error}"));
        self.held.insert(unit, wanted);
        Ok(())
    }

    fn connect(&mut self) -> Result<&mut Stream, Error> {
        if self.netd.is_none() {
            if now() < self.next_attempt {
                return Err(Error::NetdSocket(StreamError::Closed));
            }
            let stream =
                Stream::connect(&self.path, &self.hello, Role::Netd).inspect_err(|error| {
                    let silent =
                        matches!(error, StreamError::Io(e) if e.kind() == ErrorKind::WouldBlock);
                    self.next_attempt = now() + if silent { NETD_PAUSE } else { Duration::ZERO };
                })?;
            stream.set_receive_timeout(Some(NETD_PATIENCE))?;
            self.netd = Some(stream);
        }
        self.netd
            .as_mut()
            .ok_or(Error::NetdSocket(StreamError::Closed))
    }

    fn ask(&mut self, body: Request, unit: &UnitName) -> Result<Reply, Error> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let stream = self.connect()?;
        let outcome = stream
            .send(&Envelope { id, body })
            .and_then(|()| stream.receive::<Envelope<Reply>>());
        match outcome {
            Ok(Envelope { id: answered, body }) if answered == id => match body {
                Reply::Failed(reason) => Err(refused(unit, &reason)),
                reply => Ok(reply),
            },
            Ok(_) => {
                self.lose();
                Err(refused(unit, "an answer to another request"))
            }
            Err(error) => {
                self.lose();
                Err(error.into())
            }
        }
    }
}

fn refused(unit: &UnitName, reason: &str) -> Error {
    Error::Netd {
        unit: unit.to_string(),
        reason: reason.to_owned(),
    }
}
