//! A commit: every daemon prepares, the text is stored, every daemon applies; or nothing has changed.

use super::start::lines_of;
use super::{Event, Manager, Running, Step, part};
use crate::compile::Compiled;
use crate::hardware::{self, Missing};
use crate::judge::read_tree;
use crate::link::{Awaited, LinkId, Unsent};
use ravelin_config::{Secrets, Tree};
use ravelin_ctl::daemon::Request;
use ravelin_ctl::operator::Reply;
use ravelin_types::Generation;
use std::collections::BTreeSet;
use std::time::Instant;

/// What a text that does not speak of it leaves as it is.
const LOGIN: &[&str] = &["system", "login"];

impl Manager {
    /// Validates, stores and applies a text in place of all that runs. A text without users leaves those that there are:
    /// whoever loads it would lock everybody out.
    pub(super) fn commit(&mut self, origin: &str, text: &str) -> Reply {
        let (tree, compiled) = match self.read(origin, text) {
            Ok(read) => read,
            Err(lines) => return Reply::Failed(lines),
        };
        match self.model.adopt(&tree, &self.running.tree, LOGIN) {
            Some(with_users) => {
                let reply = self.commit_tree(origin, with_users);
                let note = "[system login] the text has no users: those that there are stay";
                add_warning(reply, note)
            }
            None => self.run_commit(origin, tree, compiled, text),
        }
    }

    /// Puts a text on top of what runs; validates, stores and applies the whole.
    pub(super) fn amend(&mut self, origin: &str, text: &str) -> Reply {
        match self.model.amend(origin, &self.running.tree, text) {
            Ok(tree) => self.commit_tree(origin, tree),
            Err(refusal) => Reply::Failed(refusal.to_string().lines().map(str::to_owned).collect()),
        }
    }

    fn commit_tree(&mut self, origin: &str, tree: Tree) -> Reply {
        let compiled = match read_tree(&self.model, self.ids.runs(), origin, &tree) {
            Ok(compiled) => compiled,
            Err(problem) => return Reply::Failed(lines_of(&problem)),
        };
        let text = self.model.print(&tree, Secrets::Show);
        self.run_commit(origin, tree, compiled, &text)
    }

    fn run_commit(
        &mut self,
        origin: &str,
        tree: Tree,
        mut compiled: Compiled,
        text: &str,
    ) -> Reply {
        hardware::place(&mut compiled, self.store.run_dir());
        let missing = self.newly_missing(origin, &tree, &compiled);
        if !missing.is_empty() {
            return Reply::Failed(missing);
        }
        let generation = self.next_generation();
        let failures = self.prepare_all(generation, &compiled);
        if !failures.is_empty() {
            self.abort_all(generation);
            return Reply::Failed(failures);
        }
        if let Err(error) = self.store.save(text) {
            self.abort_all(generation);
            return Reply::Failed(vec![error.to_string()]);
        }
        let kept = self.ids.keep(&compiled.instances);
        if let Err(error) = kept.and_then(|()| self.host.want(&compiled.host)) {
            self.abort_all(generation);
            let mut failures = vec![error.to_string()];
            failures.extend(self.undo());
            return Reply::Failed(failures);
        }
        let failures = self.apply_all(generation);
        if !failures.is_empty() {
            return Reply::Failed(self.go_back(failures));
        }
        let warnings = compiled.warnings.clone();
        self.running = Running {
            tree,
            compiled,
            generation,
            since: Instant::now(),
        };
        self.start_error = None;
        self.host_error = None;
        self.tell_kernel();
        if let Err(error) = self.store.save_last_good(text) {
            log::warn!("{error}");
        }
        log::info!("generation {generation} runs, from {origin}");
        Reply::Loaded {
            generation,
            warnings,
        }
    }

    /// Ports of a text that have no NIC and had one, or were not there, so far: the operator is wrong. What is missing already (a
    /// broken NIC) must not keep the operator from changing something else.
    fn newly_missing(&self, origin: &str, tree: &Tree, compiled: &Compiled) -> Vec<String> {
        let known = |missing: &Missing| {
            let mut old = self.running.compiled.missing.iter();
            old.any(|old| old.name == missing.name)
        };
        let fresh = compiled.missing.iter().filter(|missing| !known(missing));
        let line = |missing: &Missing| {
            let path = format!("interfaces {}", missing.name);
            let place = self.model.position(tree, &path);
            let place = place.map_or(String::new(), |p| format!("{}:{}: ", p.line, p.column));
            format!("{origin}:{place}[{path}] {}", missing.why)
        };
        fresh.map(line).collect()
    }

    fn next_generation(&mut self) -> Generation {
        self.last_generation = Generation(self.last_generation.0.saturating_add(1));
        self.note_generation();
        self.last_generation
    }

    /// The files are again those of the configuration that runs; yields what the disk refuses. The text goes last: it fits its own
    /// numbers and those from before it, and no others.
    fn undo(&mut self) -> Vec<String> {
        let numbers = self.ids.keep(&self.running.compiled.instances);
        let undone = [numbers, self.store.undo()];
        let refused = undone.into_iter().filter_map(Result::err);
        refused.map(|error| error.to_string()).collect()
    }

    /// Some daemon could not apply what it had prepared: the old configuration runs again, under a new generation.
    fn go_back(&mut self, mut failures: Vec<String>) -> Vec<String> {
        failures.extend(self.undo());
        self.tell_host();
        self.running.generation = self.next_generation();
        let generation = self.running.generation;
        let old = self.running.compiled.clone();
        let mut again = self.prepare_all(generation, &old);
        again.extend(self.apply_all(generation));
        failures.push(if again.is_empty() {
            format!("the previous configuration runs again, as generation {generation}")
        } else {
            format!(
                "the previous configuration does not run everywhere: {}",
                again.join("; ")
            )
        });
        failures
    }

    fn prepare_all(&mut self, generation: Generation, compiled: &Compiled) -> Vec<String> {
        let mut asked = BTreeSet::new();
        let mut failures = Vec::new();
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            let Some(part) = part(link.hello.role, compiled) else {
                continue;
            };
            let request = Request::Prepare { generation, part };
            match link.ask(request, Awaited::Prepared(generation)) {
                Ok(()) => {
                    asked.insert(id);
                }
                Err(_) => failures.push(self.lost(id)),
            }
        }
        failures.extend(self.gather(Step::Prepare, generation, asked));
        failures
    }

    fn apply_all(&mut self, generation: Generation) -> Vec<String> {
        let mut asked = BTreeSet::new();
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            match link.ask(Request::Apply(generation), Awaited::Applied(generation)) {
                Ok(()) => {
                    asked.insert(id);
                }
                // It will get the configuration when it returns.
                Err(_) => drop(self.lost(id)),
            }
        }
        self.gather(Step::Apply, generation, asked)
    }

    /// Tells all to forget a generation, and gives those that had not got the running one yet another try.
    fn abort_all(&mut self, generation: Generation) {
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            let behind = link.generation != self.running.generation;
            match link.tell(Request::Abort(generation)) {
                Err(Unsent::Gone) => drop(self.lost(id)),
                _ if behind => self.bring_up(id),
                _ => {}
            }
        }
    }

    /// Waits for the verdicts of `open` about one step; yields what went wrong.
    fn gather(
        &mut self,
        step: Step,
        generation: Generation,
        mut open: BTreeSet<LinkId>,
    ) -> Vec<String> {
        let limit = match step {
            Step::Prepare => self.settings.prepare,
            Step::Apply => self.settings.apply,
        };
        let deadline = Instant::now() + limit;
        let mut failures = Vec::new();
        while !open.is_empty() {
            match self.next_event(Some(deadline)) {
                Ok(Event::Answer { link, id, reply }) => {
                    let name = self.name(link);
                    let Some(verdict) = self.answer(link, id, reply) else {
                        if !self.links.contains_key(&link) && open.remove(&link) {
                            failures.push(format!("{name} went away"));
                        }
                        continue;
                    };
                    if (verdict.step, verdict.generation) == (step, generation) {
                        open.remove(&link);
                        failures
                            .extend(verdict.result.err().map(|error| format!("{name}: {error}")));
                    }
                }
                Ok(Event::Gone { link }) => {
                    let gone = self.lost(link);
                    // A daemon that dies while it applies gets the configuration when it returns.
                    if open.remove(&link) && step == Step::Prepare {
                        failures.push(gone);
                    }
                }
                Ok(other) => self.backlog.push_back(other),
                Err(_) => {
                    let names = open.iter().map(|id| self.name(*id));
                    failures.extend(
                        names.map(|n| format!("{n} does not answer within {} s", limit.as_secs())),
                    );
                    open.clear();
                }
            }
        }
        failures
    }

    fn link_ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    fn name(&self, id: LinkId) -> &'static str {
        let link = self.links.get(&id);
        link.map_or("a daemon", |l| l.hello.role.process_name())
    }

    /// Drops a connection that failed; says so.
    fn lost(&mut self, id: LinkId) -> String {
        let name = self.name(id);
        self.leave(id);
        format!("{name} went away")
    }
}

fn add_warning(reply: Reply, warning: &str) -> Reply {
    match reply {
        Reply::Loaded {
            generation,
            mut warnings,
        } => {
            warnings.push(warning.to_owned());
            Reply::Loaded {
                generation,
                warnings,
            }
        }
        other => other,
    }
}
