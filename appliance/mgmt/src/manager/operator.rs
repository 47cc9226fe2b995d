//! What operators ask.

use super::Manager;
use crate::link::{Awaited, Unsent};
use ravelin_config::Secrets;
use ravelin_ctl::Role;
use ravelin_ctl::daemon::Request;
use ravelin_ctl::operator::{self as ops, DaemonQuery, ProcessStatus, Reply};
use ravelin_types::Generation;
use std::sync::mpsc::Sender;

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

    fn processes(&self) -> Vec<ProcessStatus> {
        let own = ProcessStatus {
            name: self.hello.role.process_name().to_owned(),
            connected: true,
            pid: self.hello.pid,
            software: self.hello.software.clone(),
            generation: self.running.generation,
            uptime_s: self.since.elapsed().as_secs(),
            error: self.start_error.clone(),
        };
        let others =
            SHOWN.iter().map(
                |role| match self.links.values().find(|l| l.hello.role == *role) {
                    Some(link) => ProcessStatus {
                        name: role.process_name().to_owned(),
                        connected: true,
                        pid: link.hello.pid,
                        software: link.hello.software.clone(),
                        generation: link.generation,
                        uptime_s: link.since.elapsed().as_secs(),
                        error: link.error.clone(),
                    },
                    None => ProcessStatus {
                        name: role.process_name().to_owned(),
                        connected: false,
                        pid: 0,
                        software: String::new(),
                        generation: Generation::default(),
                        uptime_s: 0,
                        error: None,
                    },
                },
            );
        std::iter::once(own).chain(others).collect()
    }
}
