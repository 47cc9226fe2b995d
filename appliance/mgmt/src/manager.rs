//! The one owner of the configuration: takes events in turn, runs commits, answers operators.
//!
//! A commit waits for the daemons' verdicts inside one event; events of others are kept meanwhile and handled after it, so
//! that nobody sees a half-made commit.

mod access;
mod alarms;
mod commit;
mod operator;
mod pulse;
mod start;

pub use pulse::Pulse;

use crate::compile::Compiled;
use crate::error::MgmtError;
use crate::holder::Holder;
use crate::host::HostKeeper;
use crate::instances::IdStore;
use crate::kernel;
use crate::link::{Awaited, Link, LinkId, Unsent};
use crate::store::Store;
use ravelin_config::{Model, Tree};
use ravelin_ctl::daemon::{Part, Reply, Request};
use ravelin_ctl::stream::Writer;
use ravelin_ctl::{Hello, Role, operator as ops};
use ravelin_types::Generation;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// What happens to the manager.
pub enum Event {
    /// A daemon connected.
    Joined {
        /// Its connection.
        link: LinkId,
        /// Who it is.
        hello: Hello,
        /// To speak to it.
        writer: Writer,
        /// To end the connection.
        socket: UnixStream,
    },
    /// A daemon answered.
    Answer {
        /// Its connection.
        link: LinkId,
        /// The number of the request.
        id: u32,
        /// The answer.
        reply: Reply,
    },
    /// A daemon's connection ended.
    Gone {
        /// Which.
        link: LinkId,
    },
    /// An operator asks.
    Operator {
        /// The user that asks; none when the kernel does not say.
        uid: Option<u32>,
        /// What.
        request: ops::Request,
        /// Where the answer goes.
        answer: Sender<ops::Reply>,
    },
}

/// How long daemons may take. The defaults are for production; tests of silence use less.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// To check a part. planed starts its ports only when it applies, so this is arithmetic.
    pub prepare: Duration,
    /// To run a part: planed starts the packet library and its ports in it.
    pub apply: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prepare: Duration::from_secs(10),
            apply: Duration::from_secs(60),
        }
    }
}

/// The configuration that runs.
struct Running {
    tree: Tree,
    compiled: Compiled,
    generation: Generation,
    since: Instant,
}

/// A step of the two, and what a daemon says of it.
struct Verdict {
    link: LinkId,
    step: Step,
    generation: Generation,
    result: Result<(), String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepare,
    Apply,
}

/// The owner of the configuration.
pub struct Manager {
    model: Model,
    store: Store,
    settings: Settings,
    hello: Hello,
    since: Instant,
    inbox: Receiver<Event>,
    /// Events that came during a commit.
    backlog: VecDeque<Event>,
    kernel: kernel::Handle,
    running: Running,
    /// The last generation given out, whether it came to run or not.
    last_generation: Generation,
    links: BTreeMap<LinkId, Link>,
    holder: Holder,
    pulse: Option<Pulse>,
    host: HostKeeper,
    ids: IdStore,
    /// Why the stored configuration does not run.
    start_error: Option<String>,
    /// Why the host side was not told.
    host_error: Option<String>,
}

impl Manager {
    /// Reads the stored configuration. A broken one is reported, and the last good one or the factory's runs instead.
    ///
    /// # Errors
    /// When this build's model is broken.
    pub fn new(
        store: Store,
        settings: Settings,
        hello: Hello,
        inbox: Receiver<Event>,
        kernel: kernel::Handle,
    ) -> Result<Self, MgmtError> {
        let last_generation = Generation(store.generation().0.saturating_add(1));
        let holder = Holder::new(store.run_dir(), hello.clone());
        let host = HostKeeper::new(store.file());
        let ids = IdStore::new(store.file());
        let mut manager = Self {
            model: Model::new()?,
            store,
            settings,
            hello,
            since: Instant::now(),
            inbox,
            backlog: VecDeque::new(),
            kernel,
            running: Running {
                tree: Tree::default(),
                compiled: Compiled::default(),
                generation: last_generation,
                since: Instant::now(),
            },
            last_generation,
            links: BTreeMap::new(),
            holder,
            pulse: None,
            host,
            ids,
            start_error: None,
            host_error: None,
        };
        manager.load_stored();
        manager.note_generation();
        manager.tell_kernel();
        Ok(manager)
    }

    /// Handles events until all their senders are gone.
    pub fn run(&mut self) {
        loop {
            let event = match self.backlog.pop_front() {
                Some(event) => event,
                None => match self.next_event(None) {
                    Ok(event) => event,
                    Err(_) => return,
                },
            };
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Joined {
                link,
                hello,
                writer,
                socket,
            } => self.join(Link::new(link, hello, writer, socket)),
            Event::Answer { link, id, reply } => {
                if let Some(verdict) = self.answer(link, id, reply) {
                    self.go_on(verdict);
                }
            }
            Event::Gone { link } => self.leave(link),
            Event::Operator {
                uid,
                request,
                answer,
            } => self.operator(uid, request, answer),
        }
    }

    /// A daemon connected: it replaces an older connection of its kind, and gets what runs.
    fn join(&mut self, link: Link) {
        let role = link.hello.role;
        log::info!("{} connected, pid {}", role.process_name(), link.hello.pid);
        self.links.retain(|_, old| old.hello.role != role);
        let id = link.id;
        self.links.insert(id, link);
        self.bring_up(id);
    }

    fn leave(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id) {
            log::warn!("{} went away", link.hello.role.process_name());
        }
    }

    /// Begins the two steps for one daemon with the running configuration.
    fn bring_up(&mut self, id: LinkId) {
        let generation = self.running.generation;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(part) = part(link.hello.role, &self.running.compiled) else {
            return;
        };
        let request = Request::Prepare { generation, part };
        if let Err(Unsent::Gone) = link.ask(request, Awaited::Prepared(generation)) {
            self.leave(id);
        }
    }

    /// Takes an answer in; a verdict about a step is for the caller.
    fn answer(&mut self, id: LinkId, number: u32, reply: Reply) -> Option<Verdict> {
        let link = self.links.get_mut(&id)?;
        let (step, generation, result) = match (link.settle(number)?, reply) {
            (Awaited::Operator(answer), Reply::Operator(reply)) => {
                // The operator may have hung up.
                let _ = answer.send(ops::Reply::Daemon(reply));
                return None;
            }
            (Awaited::Alarms(gathering), Reply::Operator(reply)) => {
                self.alarms_came(gathering, reply);
                return None;
            }
            (Awaited::Prepared(generation), Reply::Prepared(result)) => {
                (Step::Prepare, generation, result)
            }
            (Awaited::Applied(generation), Reply::Applied(result)) => {
                if let Ok(runs) = &result {
                    link.generation = *runs;
                }
                (Step::Apply, generation, result.map(drop))
            }
            _ => {
                let name = link.hello.role.process_name();
                log::error!("{name} gave the wrong kind of answer; its connection is closed");
                self.leave(id);
                return None;
            }
        };
        link.error = result.as_ref().err().cloned();
        Some(Verdict {
            link: id,
            step,
            generation,
            result,
        })
    }

    /// The next step of a daemon that was brought up by itself.
    fn go_on(&mut self, verdict: Verdict) {
        let Some(link) = self.links.get_mut(&verdict.link) else {
            return;
        };
        let name = link.hello.role.process_name();
        let generation = verdict.generation;
        match verdict.result {
            Err(error) => log::error!("{name} refuses generation {generation}: {error}"),
            Ok(()) if verdict.step == Step::Apply => {
                log::info!("{name} runs generation {generation}")
            }
            // A commit came between: that one's steps count.
            Ok(()) if generation != self.running.generation => {}
            Ok(()) => {
                let asked = link.ask(Request::Apply(generation), Awaited::Applied(generation));
                if let Err(Unsent::Gone) = asked {
                    self.leave(verdict.link);
                }
            }
        }
    }

    fn note_generation(&self) {
        if let Err(error) = self.store.save_generation(self.last_generation) {
            log::warn!("{error}");
        }
    }

    fn tell_kernel(&self) {
        let plan = self.running.compiled.kernel.clone();
        if !self.kernel.plan(plan) {
            log::error!("addresses and routes are no longer kept: their thread is gone");
        }
    }
}

/// A daemon's part; none for processes that take none.
fn part(role: Role, compiled: &Compiled) -> Option<Part> {
    match role {
        Role::Planed => Some(Part::Plane(compiled.plane.clone())),
        Role::Iked => Some(Part::Ike(compiled.ike.clone())),
        Role::Netd | Role::Mgmtd | Role::Operator => None,
    }
}

#[cfg(test)]
mod tests;
