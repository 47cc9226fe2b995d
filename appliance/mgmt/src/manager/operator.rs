//! What operators ask.

use super::Manager;
use crate::link::{Awaited, Unsent};
use ravelin_config::Secrets;
use ravelin_ctl::daemon::Request;
use ravelin_ctl::operator::{self as ops, DaemonQuery, ProcessStatus, Reply};
use ravelin_ctl::{Hello, Role};
use ravelin_types::Generation;
use std::sync::mpsc::Sender;
use std::time::Instant;

/// The daemons shown, connected or not.
const SHOWN: [Role; 2] = [Role::Planed, Role::Iked];

impl Manager {
    pub(super) fn operator(&mut self, request: ops::Request, answer: Sender<Reply>) {
        let reply = match request {
            ops::Request::Daemon(query) => return self.pass_on(query, answer),
            ops::Request::ShowProcesses => Reply::Processes(self.processes()),
            ops::Request::ShowConfiguration => {
                let text = self.model.print(&self.running.tree, Secrets::Hide);
                Reply::Configuration(text.to_string())
            }
            ops::Request::LoadConfiguration { origin, text } => {
                let text = zeroize::Zeroizing::new(text);
                self.commit(&origin, &text)
            }
        };
        // The operator may have hung up.
        let _ = answer.send(reply);
    }

    /// Passes a question on; the answer goes to the operator when it comes.
    fn pass_on(&mut self, query: DaemonQuery, answer: Sender<Reply>) {
        let role = if query.for_planed() {
            Role::Planed
        } else {
            Role::Iked
        };
        let name = role.process_name();
        let link = self.links.values_mut().find(|l| l.hello.role == role);
        let (failure, gone) = match link {
            None => (format!("{name} is not connected"), None),
            Some(link) => {
                match link.ask(Request::Operator(query), Awaited::Operator(answer.clone())) {
                    Ok(()) => return,
                    Err(Unsent::Busy) => (format!("{name} is busy"), None),
                    Err(Unsent::Gone) => (format!("{name} went away"), Some(link.id)),
                }
            }
        };
        if let Some(id) = gone {
            self.leave(id);
        }
        let _ = answer.send(Reply::Failed(vec![failure]));
    }

    fn processes(&mut self) -> Vec<ProcessStatus> {
        let mut own = status(&self.hello, self.since);
        own.generation = self.running.generation;
        own.error = self.start_error.clone();
        let holder = match self.holder.probe() {
            Some((hello, since)) => status(&hello, since),
            None => absent(Role::Netd),
        };
        let others =
            SHOWN.iter().map(
                |role| match self.links.values().find(|l| l.hello.role == *role) {
                    Some(link) => ProcessStatus {
                        generation: link.generation,
                        error: link.error.clone(),
                        ..status(&link.hello, link.since)
                    },
                    None => absent(*role),
                },
            );
        [own].into_iter().chain(others).chain([holder]).collect()
    }
}

/// A process that is there.
fn status(hello: &Hello, since: Instant) -> ProcessStatus {
    ProcessStatus {
        name: hello.role.process_name().to_owned(),
        connected: true,
        pid: hello.pid,
        software: hello.software.clone(),
        generation: Generation::default(),
        uptime_s: since.elapsed().as_secs(),
        error: None,
    }
}

/// A process that is not.
fn absent(role: Role) -> ProcessStatus {
    ProcessStatus {
        name: role.process_name().to_owned(),
        connected: false,
        pid: 0,
        software: String::new(),
        generation: Generation::default(),
        uptime_s: 0,
        error: None,
    }
}
