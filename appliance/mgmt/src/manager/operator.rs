//! What operators ask.

use super::Manager;
use crate::hardware;
use crate::host::Who;
use crate::link::{Awaited, Unsent};
use ravelin_config::Secrets;
use ravelin_ctl::capture::CaptureOrder;
use ravelin_ctl::daemon::Request;
use ravelin_ctl::day0::RECORD_FILE;
use ravelin_ctl::host::POWER_FILE;
use ravelin_ctl::host::wanted::PasswordHash;
use ravelin_ctl::operator::{self as ops, DaemonQuery, Node, Power, ProcessStatus, Reply};
use ravelin_ctl::{Hello, Role};
use ravelin_types::Generation;
use std::sync::mpsc::Sender;
use std::time::Instant;
use std::{fs, io};

/// The daemons shown, connected or not.
const SHOWN: [Role; 2] = [Role::Planed, Role::Iked];

impl Manager {
    pub(super) fn operator(
        &mut self,
        uid: Option<u32>,
        request: ops::Request,
        answer: Sender<Reply>,
    ) {
        let permitted = self.who(uid).and_then(|who| {
            Self::permit(&who, &request)?;
            Ok(who)
        });
        let who = match permitted {
            Ok(who) => who,
            Err(line) => {
                let _ = answer.send(Reply::Failed(vec![line]));
                return;
            }
        };
        let reply = match request {
            ops::Request::Daemon(query) => {
                if let DaemonQuery::Capture(CaptureOrder::Begin(spec)) = &query {
                    log::warn!("{} captures {}", who.name, spec.interfaces.join(", "));
                }
                if let DaemonQuery::Pki(order) = &query
                    && !order.is_question()
                {
                    log::info!("{} asks: {}", who.name, order.summary());
                }
                return self.pass_on(query, answer);
            }
            ops::Request::ShowProcesses => Reply::Processes(self.processes()),
            ops::Request::ShowConfiguration => {
                let text = self.model.print(&self.running.tree, Secrets::Hide);
                Reply::Configuration(text.to_string())
            }
            ops::Request::LoadConfiguration { origin, text } => {
                let text = zeroize::Zeroizing::new(text);
                self.commit(&origin, &text)
            }
            ops::Request::AmendConfiguration { origin, text } => {
                let text = zeroize::Zeroizing::new(text);
                self.amend(&origin, &text)
            }
            ops::Request::ExportConfiguration { set, secrets } => self.export(set, secrets),
            ops::Request::Session => Reply::Session(self.session(&who)),
            ops::Request::SetPassword(hash) => self.set_password(&who, &hash),
            ops::Request::ShowNode => Reply::Node(self.node()),
            ops::Request::Power(power) => self.power(&who, power),
            ops::Request::ShowHardware => match hardware::platform(self.store.run_dir()) {
                Ok(Some(platform)) => Reply::Hardware(Box::new(platform)),
                Ok(None) => Reply::Failed(vec![
                    "nobody has looked for the hardware of this machine".to_owned(),
                ]),
                Err(error) => Reply::Failed(vec![error.to_string()]),
            },
            ops::Request::ShowAlarms => return self.show_alarms(answer),
            ops::Request::ShowDay0 => self.day0(),
        };
        // The operator may have hung up.
        let _ = answer.send(reply);
    }

    /// What `ravelin-host day0` has left beside the configuration.
    fn day0(&self) -> Reply {
        let path = self.store.file().with_file_name(RECORD_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Reply::Day0(None),
            Err(error) => return Reply::Failed(vec![format!("{}: {error}", path.display())]),
        };
        match serde_json::from_slice(&text) {
            Ok(record) => Reply::Day0(Some(record)),
            Err(error) => Reply::Failed(vec![format!("{}: {error}", path.display())]),
        }
    }

    fn export(&self, set: bool, secrets: bool) -> Reply {
        let secrets = if secrets {
            Secrets::Show
        } else {
            Secrets::Hide
        };
        let tree = &self.running.tree;
        let text = if set {
            self.model.print_set(tree, secrets)
        } else {
            self.model.print(tree, secrets)
        };
        Reply::Configuration(text.to_string())
    }

    /// Only the first password: the next ones are given by an administrator.
    fn set_password(&mut self, who: &Who, hash: &PasswordHash) -> Reply {
        if !self.wants_password(who) {
            let line = "an administrator changes passwords: system login user NAME authentication";
            return Reply::Failed(vec![line.to_owned()]);
        }
        let (name, class) = (&who.name, who.class.name());
        let text = zeroize::Zeroizing::new(format!(
            "set system login user {name} class {class}\n\
             set system login user {name} authentication encrypted-password \"{}\"\n",
            hash.expose()
        ));
        log::info!("{name} sets a first password");
        self.amend("the first password", &text)
    }

    fn node(&self) -> Node {
        let kernel = nix::sys::utsname::uname();
        let kernel = kernel.map(|u| u.release().to_string_lossy().into_owned());
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime_s = uptime.split('.').next().and_then(|s| s.parse().ok());
        Node {
            host_name: self.running.compiled.host.host_name.clone(),
            software: self.hello.software.clone(),
            kernel: kernel.unwrap_or_default(),
            uptime_s: uptime_s.unwrap_or_default(),
            running_s: self.since.elapsed().as_secs(),
            configured_s: self.running.since.elapsed().as_secs(),
        }
    }

    /// Asks the host side, which watches for the file; nobody but this process can make it.
    fn power(&self, who: &Who, power: Power) -> Reply {
        log::warn!("{} asks for {}", who.name, power.name());
        let request = self.store.run_dir().join(POWER_FILE);
        match crate::store::replace(&request, power.name()) {
            Ok(()) => Reply::Accepted,
            Err(error) => Reply::Failed(vec![error.to_string()]),
        }
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
